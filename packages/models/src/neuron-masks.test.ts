import { languageModelLoss, readFloat64, tf } from "@sdmprune/tensor";
import { activateCpuBackend, tinyLlama } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import { relativeError } from "../test/collect-gradients.js";
import { referenceLoss } from "../test/reference-llama.js";
import { forwardBackward } from "./forward-backward.js";
import { llamaFamily } from "./llama/family.js";

const tiny = tinyLlama({ seed: 4, intermediateSize: 5, vocabSize: 11, biases: true });
const config = llamaFamily.parseConfig(tiny.config);
const ids = Int32Array.of(4, 1, 7, 7, 2, 10);

/** Loss of the float64 model whose gate and up rows, biases too, are multiplied by the masks. */
function foldedLoss(masks: readonly Float64Array[]): number {
  const weights = new Map(
    llamaFamily.expectedTensors(config).map(({ name }) => {
      const values = Float64Array.from(tiny.values(name));
      const [, layer] = /layers\.(\d+)\.mlp\.(?:gate|up)_proj/.exec(name) ?? [];
      const mask = layer === undefined ? undefined : masks[Number(layer)]!;
      const perRow = values.length / 5;
      return [name, mask ? values.map((value, i) => value * mask[Math.floor(i / perRow)]!) : values] as const;
    }),
  );
  return referenceLoss(config, weights, ids, 1);
}

describe("neuron masks", () => {
  beforeAll(activateCpuBackend);

  it.each([false, true])(
    "scale gate and up rows, with the gradient of finite differences (recompute: %s)",
    async (recompute) => {
      const values = [Float64Array.of(1, 0, 0.3, 1.2, 0.7), Float64Array.of(0.5, 0.9, 0, 0.1, 1)];
      const before = tf.memory().numTensors;
      const model = await llamaFamily.load(tiny.source, config);
      const neuronMasks = values.map((mask) => tf.tensor1d(Float32Array.from(mask)));
      const found = new Map<number, tf.Tensor1D>();
      const { loss } = await forwardBackward(model, {
        ids,
        batch: 1,
        neuronMasks,
        recompute,
        observer: { neuronMask: (layer, gradient) => void found.set(layer, tf.clone(gradient)) },
        lossFn: (input) => languageModelLoss({ ...input, loss: { kind: "cross-entropy" } }),
      });
      expect(loss).toBeCloseTo(foldedLoss(values), 5);
      const step = 1e-5;
      for (const [layer, mask] of values.entries()) {
        const slope = mask.map((value, n) => {
          const at = (shift: number): number => {
            const moved = values.map((each) => each.slice());
            moved[layer]![n] = value + shift;
            return foldedLoss(moved);
          };
          return (at(step) - at(-step)) / (2 * step);
        });
        expect(relativeError(await readFloat64(found.get(layer)!), slope)).toBeLessThan(1e-4);
      }
      tf.dispose([neuronMasks, ...found.values()]);
      model.dispose();
      expect(tf.memory().numTensors).toBe(before);
    },
  );

  it("are wanted for every layer", async () => {
    const model = await llamaFamily.load(tiny.source, config);
    expect(() => model.sequence(1, 3, { neuronMasks: [undefined] })).toThrow(
      "sequence: expected neuronMasks for 2 layers, got 1.",
    );
    model.dispose();
  });
});
