import { Rng, type Registries } from "@sdmprune/core";
import { fromFloat32 } from "@sdmprune/model-io";
import {
  forwardBackward,
  forwardHidden,
  headLogits,
  type LossInput,
  type ModelFamily,
  type RawConfig,
  type WeightSource,
} from "@sdmprune/models";
import { languageModelLoss, tf } from "@sdmprune/tensor";
import { describe, expect, it } from "vitest";

/** What a model family says of a config holds together, and models of it run. */
export function describeModel(name: string, registries: Registries, raw: RawConfig | undefined): void {
  describe(`model "${name}"`, () => {
    const family = () => registries.models.create(name);
    const config = raw!;

    it("comes with the config of a small model to try it out", () => {
      expect(raw, `Give modelConfigs: { ${JSON.stringify(name)}: … }.`).toBeDefined();
    });
    if (!raw) return;

    it("reads the config of its model type", async () => {
      const { modelType, parseConfig } = await family();
      expect(modelType).toBe(name);
      expect(parseConfig(config).modelType).toBe(name);
      expect(parseConfig(config).intermediateSizes).toHaveLength(parseConfig(config).numLayers);
    });

    it("has one prunable group per layer, of slices of the tensors it expects", async () => {
      const { parseConfig, prunableGroups } = await family();
      const { intermediateSizes } = parseConfig(config);
      const shapes = shapesOf(await family(), config);
      const groups = prunableGroups(parseConfig(config));
      expect(groups.map(({ layer, intermediateSize }) => [layer, intermediateSize])).toEqual([
        ...intermediateSizes.entries(),
      ]);
      for (const { members, intermediateSize } of groups) {
        expect(members.length).toBeGreaterThan(0);
        for (const { tensor, axis } of members)
          expect(shapes.get(tensor)?.[axis], tensor).toBe(intermediateSize);
      }
    });

    it("takes new widths, which change the sizes of the prunable slices and of nothing else", async () => {
      const { parseConfig, prunableGroups, setWidth } = await family();
      const narrow = parseConfig(config).intermediateSizes[0]! - 1;
      const edited = { ...config, ...setWidth(config, narrow) };
      const axes = new Map(
        prunableGroups(parseConfig(config)).flatMap(({ members }) =>
          members.map((m) => [m.tensor, m.axis] as const),
        ),
      );
      const expected = [...shapesOf(await family(), config)].map(([tensor, shape]) => [
        tensor,
        shape.map((size, i) => (i === axes.get(tensor) ? narrow : size)),
      ]);
      expect([...shapesOf(await family(), edited)]).toEqual(expected);
    });

    it("knows its embedding, and passes over none of the tensors it expects", async () => {
      const { isEmbedding, isIgnored } = await family();
      const names = [...shapesOf(await family(), config).keys()];
      expect(names.filter(isEmbedding)).not.toEqual([]);
      expect(names.filter(isIgnored)).toEqual([]);
    });

    it("loads a model that runs, whole and as a view, and frees all of it", async () => {
      const { load, parseConfig } = await family();
      const parsed = parseConfig(config);
      const source = randomWeights(shapesOf(await family(), config));
      const before = tf.memory().numTensors;
      for (const view of [undefined, parsed.intermediateSizes.map(() => Int32Array.of(0))]) {
        const model = await load(source, parsed, view && { view });
        expect(model.config.intermediateSizes).toEqual(
          parsed.intermediateSizes.map((width, layer) => view?.[layer]?.length ?? width),
        );
        const hidden = await forwardHidden(model, Int32Array.of(1, 0, 2), 1);
        const logits = await headLogits(model.head, hidden);
        expect(logits.shape).toEqual([3, parsed.vocabSize]);
        expect((await logits.data()).every(Number.isFinite)).toBe(true);
        tf.dispose([hidden, logits]);
        model.dispose();
      }
      expect(tf.memory().numTensors).toBe(before);
    });

    it("gives the bits of weights and activations that stay in memory when both are read or computed again", async () => {
      const { load, parseConfig } = await family();
      const source = randomWeights(shapesOf(await family(), config));
      const gradients: number[][] = [];
      for (const [residency, recompute] of [
        ["resident", false],
        ["streamed", true],
      ] as const) {
        const model = await load(source, parseConfig(config), { residency });
        const onInputGradient = (gradient: tf.Tensor2D) =>
          void gradients.push(Array.from(gradient.dataSync()));
        const lossFn = (input: LossInput) => languageModelLoss({ ...input, loss: { kind: "cross-entropy" } });
        const ids = Int32Array.of(1, 0, 2);
        await forwardBackward(model, { ids, batch: 1, lossFn, recompute, onInputGradient });
        model.dispose();
      }
      expect(gradients[1]).toEqual(gradients[0]);
    });
  });
}

function shapesOf(
  { parseConfig, expectedTensors }: ModelFamily,
  raw: RawConfig,
): Map<string, readonly number[]> {
  const tensors = expectedTensors(parseConfig(raw));
  const shapes = new Map(tensors.map(({ name, shape }) => [name, shape]));
  expect(shapes.size).toBe(tensors.length); // no name twice
  return shapes;
}

/** Seeded float32 weights of these shapes. */
function randomWeights(shapes: ReadonlyMap<string, readonly number[]>): WeightSource {
  return {
    tensorNames: () => shapes.keys(),
    info: (name) => ({ dtype: "F32", shape: shapes.get(name)! }),
    read: (name, { rows } = {}) => {
      const [size = 1, ...rest] = shapes.get(name)!;
      const rowSize = rest.reduce((a, b) => a * b, 1);
      const rng = new Rng(0, name);
      const values = Float32Array.from({ length: size * rowSize }, () => 0.1 * rng.normal());
      const [start, end] = rows ?? [0, size];
      return Promise.resolve(fromFloat32(values.subarray(start * rowSize, end * rowSize), "F32"));
    },
  };
}
