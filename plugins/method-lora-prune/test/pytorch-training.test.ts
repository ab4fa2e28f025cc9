import { readFileSync } from "node:fs";
import { join } from "node:path";
import onnxPlugin from "@sdmprune/backend-onnx";
import { Host, silentProgress } from "@sdmprune/core";
import { planTraining, sameEveryEpoch } from "@sdmprune/lora";
import { openCheckpoint } from "@sdmprune/model-io/node";
import { calibrationSweep } from "@sdmprune/importance";
import { llamaFamily } from "@sdmprune/models";
import { selectNeurons } from "@sdmprune/pruning";
import { selectBackend, tensorPlugin, tf } from "@sdmprune/tensor";
import { describe, expect, it } from "vitest";
import { createLoraPruneImportance } from "../src/lora-prune-importance.js";
import { trainLoraPrune } from "../src/train-lora-prune.js";

/** Made by tools/reference/training_methods.py with PyTorch in float64; the file names versions and seed. */
interface Fixture {
  readonly sequences: readonly number[][];
  readonly options: {
    readonly steps: number;
    readonly r: number;
    readonly alpha: number;
    readonly lr: number;
    readonly ema: number;
    readonly pruneFreq: number;
    readonly width: number;
    readonly maxGradNorm: number;
  };
  readonly initialA: Readonly<Record<string, number[]>>;
  readonly losses: readonly number[];
  readonly importance: {
    readonly r: number;
    readonly a: Readonly<Record<string, number[]>>;
    readonly scores: readonly number[][];
    readonly kept: readonly number[][];
  };
  readonly final: {
    readonly adapters: Readonly<Record<string, { readonly a: number[]; readonly b: number[] }>>;
    readonly scores: readonly number[][];
    readonly kept: readonly number[][];
  };
}

const fixture = JSON.parse(
  readFileSync(join(import.meta.dirname, "fixtures/tiny-llama-lora-prune.json"), "utf8"),
) as Fixture;
const checkpoint = await openCheckpoint(
  join(import.meta.dirname, "../../../packages/test-utils/fixtures/tiny-llama"),
);

/** Norm of the difference by the norm of what was expected. */
function relativeError(actual: ArrayLike<number>, expected: readonly number[]): number {
  expect(actual.length).toBe(expected.length);
  const norm = (values: readonly number[]): number => Math.hypot(...values);
  return norm(expected.map((value, i) => value - actual[i]!)) / norm(expected);
}

describe.each([
  { backend: "onnx", recompute: false },
  { backend: "onnx", recompute: true },
  { backend: "cpu", recompute: false },
])("LoRAPrune on $backend, recompute $recompute", ({ backend, recompute }) => {
  it("is PyTorch's run of the same steps: losses, adapters, salience and kept neurons", async () => {
    await selectBackend(new Host().use(onnxPlugin).use(tensorPlugin).registries, { name: backend });
    const { options, sequences, initialA, losses, final } = fixture;
    const config = llamaFamily.parseConfig(checkpoint.config);
    const empty = tf.memory().numTensors;
    const model = await llamaFamily.load(checkpoint, config);
    const inOrder = sequences.map((sequence) => {
      const ids = Int32Array.from(sequence);
      return { ids, labels: ids, segmentLengths: [ids.length] };
    });
    const plan = planTraining(sameEveryEpoch(inOrder), {
      epochs: 1,
      maxSteps: options.steps,
      batchSize: 1,
      gradientAccumulation: 1,
    });
    const initial = new Map(
      Object.entries(initialA).map(([module, values]) => {
        const [outputs, inputs] = model.linearModules.get(module)!;
        const a = tf.tensor2d(values, [options.r, inputs], "float32");
        return [
          module,
          { a, b: tf.zeros<tf.Rank.R2>([outputs, options.r]), scaling: options.alpha / options.r },
        ];
      }),
    );
    const result = await trainLoraPrune({
      ...options,
      model,
      recompute,
      widths: config.intermediateSizes.map(() => options.width),
      plan,
      loraAlpha: options.alpha,
      seed: 0,
      progress: silentProgress,
      signal: new AbortController().signal,
      initial,
    });
    tf.dispose([...initial.values()].flatMap(({ a, b }) => [a, b]));
    model.dispose();
    expect(tf.memory().numTensors).toBe(empty);

    expect(relativeError(result.losses, losses)).toBeLessThan(1e-5);
    expect([...result.adapters.keys()].sort()).toEqual(Object.keys(final.adapters).sort());
    for (const [module, { a, b }] of result.adapters) {
      expect(relativeError(a, final.adapters[module]!.a), `${module} A`).toBeLessThan(1e-3);
      expect(relativeError(b, final.adapters[module]!.b), `${module} B`).toBeLessThan(1e-3);
    }
    for (const [layer, scores] of result.scores.entries()) {
      expect(relativeError(scores, final.scores[layer]!), `layer ${layer}`).toBeLessThan(1e-3);
    }
    expect(result.kept.map((kept) => [...kept])).toEqual(final.kept);
  });

  it("has PyTorch's scores without training, and its kept neurons", async () => {
    await selectBackend(new Host().use(onnxPlugin).use(tensorPlugin).registries, { name: backend });
    const { r, a, scores: expected, kept } = fixture.importance;
    const model = await llamaFamily.load(checkpoint, llamaFamily.parseConfig(checkpoint.config));
    const criterion = createLoraPruneImportance({ r, seed: 0 }, (module) => {
      const [layer, part] = module.split("/");
      return Float32Array.from(a[`model.layers.${layer}.mlp.${part}_proj`]!);
    });
    const scores = await calibrationSweep({
      student: model,
      samples: fixture.sequences.map((ids, i) => ({
        ids: Int32Array.from(ids),
        document: `sequence ${i}`,
        offset: 0,
      })),
      criteria: new Map([["lora-prune", criterion]]),
      progress: silentProgress,
      recompute,
    });
    model.dispose();
    for (const [layer, score] of scores.get("lora-prune")!.entries()) {
      expect(relativeError(score, expected[layer]!), `layer ${layer}`).toBeLessThan(1e-4);
      expect([...selectNeurons(score, fixture.options.width)]).toEqual(kept[layer]);
    }
  });
});
