import { Rng } from "@sdmprune/core";
import { languageModelLoss, tf } from "@sdmprune/tensor";
import { activateCpuBackend, tinyLlama } from "@sdmprune/test-utils";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { collectGradients, relativeError } from "../test/collect-gradients.js";
import { adapterWeightName, type ModuleAdapter } from "./adapters.js";
import type { CausalLM } from "./causal-lm.js";
import { forwardHidden } from "./forward.js";
import { llamaFamily } from "./llama/family.js";

const ids = Int32Array.of(5, 80, 200, 3, 17, 17, 42, 9);
const RANK = 3;

describe("setAdapters", () => {
  const made: { dispose(): void }[] = [];
  beforeAll(activateCpuBackend);
  afterEach(() => made.splice(0).forEach((thing) => thing.dispose()));

  const load = async (options = {}): Promise<CausalLM> => {
    const tiny = tinyLlama({ seed: 5, ...options });
    const model = await llamaFamily.load(tiny.source, llamaFamily.parseConfig(tiny.config));
    made.push(model);
    return model;
  };

  /** Random adapters of every linear layer. */
  const adaptersFor = (model: CausalLM, dropout = 0): Map<string, ModuleAdapter> => {
    const rng = new Rng(1, "adapters");
    const random = (rows: number, columns: number): tf.Tensor2D => {
      const tensor = tf.tensor2d(
        Float32Array.from({ length: rows * columns }, () => 0.2 * rng.normal()),
        [rows, columns],
      );
      made.push(tensor);
      return tensor;
    };
    return new Map(
      [...model.linearModules].map(([module, [outputs, inputs]]) => [
        module,
        { a: random(RANK, inputs), b: random(outputs, RANK), scaling: 1.5, dropout },
      ]),
    );
  };

  /** Puts `W + scaling b a` in place of every adapted weight. */
  const merge = async (model: CausalLM, adapters: ReadonlyMap<string, ModuleAdapter>): Promise<void> => {
    for (const [module, { a, b, scaling }] of adapters) {
      const weight = await model.parameter(`${module}.weight`);
      model.setParameter(
        `${module}.weight`,
        tf.tidy(() => tf.add(weight, tf.mul(tf.matMul(b, a), scaling))),
      );
      weight.dispose();
    }
  };

  const hiddenOf = async (model: CausalLM, options = {}): Promise<Float32Array> => {
    const hidden = await forwardHidden(model, ids, 1, options);
    const values = (await hidden.data()) as Float32Array;
    hidden.dispose();
    return values;
  };

  it.each([false, true])(
    "computes what the merged weights compute, and its gradients follow from theirs (biases: %s)",
    async (biases) => {
      const [adapted, merged] = [await load({ biases }), await load({ biases })];
      const adapters = adaptersFor(adapted);
      adapted.setAdapters(adapters);
      await merge(merged, adapters);
      expect(relativeError(await hiddenOf(adapted), await hiddenOf(merged))).toBeLessThan(1e-5);

      for (const recompute of [false, true]) {
        const actual = await collectGradients(adapted, ids, 1, { recompute });
        const expected = await collectGradients(merged, ids, 1);
        expect(actual.loss).toBeCloseTo(expected.loss, 5);
        expect(relativeError(actual.input, expected.input)).toBeLessThan(1e-4);
        for (const [module, { a, b, scaling }] of adapters) {
          const dWeight = tf.tensor2d(Float32Array.from(expected.weights.get(`${module}.weight`)!), [
            ...adapted.linearModules.get(module)!,
          ]);
          const dA = tf.mul(tf.matMul(b, dWeight, true), scaling); // y = W x + s b a x
          const dB = tf.mul(tf.matMul(dWeight, a, false, true), scaling);
          const of = (matrix: "A" | "B") => actual.weights.get(adapterWeightName(module, matrix))!;
          expect(relativeError(of("A"), dA.dataSync()), module).toBeLessThan(1e-4);
          expect(relativeError(of("B"), dB.dataSync()), module).toBeLessThan(1e-4);
          tf.dispose([dWeight, dA, dB]);
        }
      }
      adapted.setAdapters();
      expect(await hiddenOf(adapted)).toEqual(await hiddenOf(await load({ biases })));
    },
  );

  it("drops by the seed of a pass, the same in both directions and when recomputed, and nothing without one", async () => {
    const model = await load();
    const adapters = adaptersFor(model, 0.5);
    model.setAdapters(adapters);
    const plain = await hiddenOf(model);
    const dropped = await hiddenOf(model, { dropoutSeed: 3 });
    expect(await hiddenOf(model, { dropoutSeed: 3 })).toEqual(dropped);
    expect(await hiddenOf(model, { dropoutSeed: 4 })).not.toEqual(dropped);
    expect(plain).not.toEqual(dropped);
    const kept = await collectGradients(model, ids, 1, { dropoutSeed: 3 });
    expect(await collectGradients(model, ids, 1, { dropoutSeed: 3, recompute: true })).toEqual(kept);

    // The slope of the loss along the gradient of one matrix is the gradient's squared length.
    const [module] = adapters.keys();
    const gradient = kept.weights.get(adapterWeightName(module!, "A"))!;
    const norm = Math.hypot(...gradient);
    const lossAt = async (step: number): Promise<number> => {
      const { a } = adapters.get(module!)!;
      const moved = tf.tidy(() =>
        tf.add<tf.Tensor2D>(
          a,
          tf.tensor2d(
            Float32Array.from(gradient, (g) => (step * g) / norm),
            a.shape,
          ),
        ),
      );
      made.push(moved);
      model.setAdapters(new Map(adapters).set(module!, { ...adapters.get(module!)!, a: moved }));
      return (await collectGradients(model, ids, 1, { dropoutSeed: 3 })).loss;
    };
    const slope = ((await lossAt(5e-3)) - (await lossAt(-5e-3))) / 1e-2;
    expect(slope / norm).toBeCloseTo(1, 2);
  });

  it("leaves no tensor behind", async () => {
    const model = await load();
    model.setAdapters(adaptersFor(model, 0.3));
    await collectGradients(model, ids, 1, { dropoutSeed: 1 });
    const before = tf.memory().numTensors;
    await collectGradients(model, ids, 1, { dropoutSeed: 2, segments: [{ length: 5 }, { length: 3 }] });
    expect(tf.memory().numTensors).toBe(before);
  });

  it("refuses a layer that is not there, and a matrix that does not fit", async () => {
    const model = await load();
    const [a, b] = [tf.zeros<tf.Rank.R2>([2, 16]), tf.zeros<tf.Rank.R2>([16, 3])];
    made.push(a, b);
    expect(() =>
      model.setAdapters(new Map([["model.layers.0.self_attn.x_proj", { a, b, scaling: 1 }]])),
    ).toThrow(
      'Adapter of "model.layers.0.self_attn.x_proj": the model has no linear layer of that name. Did you mean "model.layers.0.self_attn.',
    );
    expect(() =>
      model.setAdapters(new Map([["model.layers.0.self_attn.q_proj", { a, b, scaling: 1 }]])),
    ).toThrow(
      'Adapter of "model.layers.0.self_attn.q_proj": lora_A must have shape [r, 16] and lora_B [16, r], got [2, 16] and [16, 3].',
    );
  });
});

describe("segments of a packed sequence", () => {
  beforeAll(activateCpuBackend);

  it("get the gradients that they have as sequences of their own", async () => {
    const tiny = tinyLlama({ seed: 6 });
    const model = await llamaFamily.load(tiny.source, llamaFamily.parseConfig(tiny.config));
    const parts = [ids.slice(0, 5), ids.slice(5)];
    const labels = parts.map((part) => Int32Array.from(part, (_, t) => part[t + 1] ?? -100));
    const normalizer = ids.length - parts.length;
    const gradientsOf = (given: Int32Array, labelsOf: Int32Array, segments?: { length: number }[]) =>
      collectGradients(model, given, 1, {
        segments,
        lossFn: ({ hidden, head, onHeadGradient, needGradient }) =>
          languageModelLoss({
            ...{ hidden, head, onHeadGradient, needGradient, normalizer },
            labels: labelsOf,
            loss: { kind: "cross-entropy" },
          }),
      });
    const packedLabels = Int32Array.from(labels.flatMap((some) => [...some]));
    const packed = await gradientsOf(
      ids,
      packedLabels,
      parts.map(({ length }) => ({ length })),
    );
    const [first, second] = [
      await gradientsOf(parts[0]!, labels[0]!),
      await gradientsOf(parts[1]!, labels[1]!),
    ];
    expect(packed.loss * 6).toBeCloseTo(first.loss * 4 + second.loss * 2, 5);
    for (const [name, gradient] of packed.weights) {
      const sum = first.weights.get(name)!.map((value, i) => value + second.weights.get(name)![i]!);
      expect(relativeError(gradient, sum), name).toBeLessThan(1e-5);
    }
    model.dispose();
  });
});
