import { readFileSync } from "node:fs";
import { join } from "node:path";
import onnxPlugin from "@sdmprune/backend-onnx";
import { Host, silentProgress } from "@sdmprune/core";
import { planTraining, sameEveryEpoch, weightEdits } from "@sdmprune/lora";
import { openCheckpoint } from "@sdmprune/model-io/node";
import { llamaFamily } from "@sdmprune/models";
import { keepBest } from "@sdmprune/pruning";
import { selectBackend, tensorPlugin, tf } from "@sdmprune/tensor";
import { describe, expect, it } from "vitest";
import { foldMasks } from "../src/fold-masks.js";
import { NeuronGates } from "../src/neuron-gates.js";
import { trainCompresso } from "../src/train-compresso.js";

/** Made by tools/reference/training_methods.py with PyTorch in float64; the file names versions and seed. */
interface Fixture {
  readonly sequences: readonly number[][];
  readonly options: {
    readonly steps: number;
    readonly fineTuneSteps: number;
    readonly warmUpSteps: number;
    readonly r: number;
    readonly alpha: number;
    readonly lr: number;
    readonly maskLr: number;
    readonly lagrangianLr: number;
    readonly maxGradNorm: number;
    readonly width: number;
    readonly constraint: "layer" | "model";
  };
  readonly initialA: Readonly<Record<string, number[]>>;
  readonly initialLogAlpha: readonly number[];
  /** Per step, all layers one after another. */
  readonly uniforms: readonly number[][];
  readonly losses: readonly number[];
  readonly sparsities: readonly number[];
  readonly final: {
    readonly adapters: Readonly<Record<string, { readonly a: number[]; readonly b: number[] }>>;
    readonly logAlpha: readonly number[][];
    readonly lambda1: readonly number[];
    readonly lambda2: readonly number[];
    readonly kept: readonly number[][];
    readonly foldedGate: Readonly<Record<string, number[]>>;
  };
}

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
  { backend: "onnx", file: "tiny-llama-compresso.json" },
  { backend: "onnx", file: "tiny-llama-compresso-model.json" },
  { backend: "cpu", file: "tiny-llama-compresso.json" },
])("Compresso on $backend, $file", ({ backend, file }) => {
  const fixture = JSON.parse(readFileSync(join(import.meta.dirname, "fixtures", file), "utf8")) as Fixture;

  it("is PyTorch's run of the same steps with the same noise: losses, masks, adapters, kept neurons, folded weights", async () => {
    await selectBackend(new Host().use(onnxPlugin).use(tensorPlugin).registries, { name: backend });
    const { options, sequences, initialA, initialLogAlpha, uniforms, losses, sparsities, final } = fixture;
    const config = llamaFamily.parseConfig(checkpoint.config);
    const sizes = config.intermediateSizes;
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
    const perLayer = (values: readonly number[]): Float64Array[] =>
      sizes.map((size, layer) => Float64Array.from(values.slice(layer * size, (layer + 1) * size)));
    const gates = new NeuronGates(sizes, options.maskLr, () => 0);
    perLayer(initialLogAlpha).forEach((values, layer) => gates.logAlpha[layer]!.set(values));
    let pass = options.fineTuneSteps; // the passes before draw nothing
    const widths = sizes.map(() => options.width);
    const result = await trainCompresso({
      ...options,
      model,
      recompute: false,
      widths,
      plan,
      gates,
      uniforms: () => perLayer(uniforms[pass++]!),
      loraAlpha: options.alpha,
      seed: 0,
      progress: silentProgress,
      signal: new AbortController().signal,
      initial,
    });
    tf.dispose([...initial.values()].flatMap(({ a, b }) => [a, b]));
    model.dispose();
    expect(tf.memory().numTensors).toBe(empty);

    expect(relativeError(result.losses, losses)).toBeLessThan(1e-4);
    expect(relativeError(result.sparsities, sparsities)).toBeLessThan(1e-3);
    expect(relativeError(result.lagrangian.lambda1, final.lambda1)).toBeLessThan(1e-3);
    expect(relativeError(result.lagrangian.lambda2, final.lambda2)).toBeLessThan(1e-3);
    expect([...result.adapters.keys()].sort()).toEqual(Object.keys(final.adapters).sort());
    for (const [module, { a, b }] of result.adapters) {
      expect(relativeError(a, final.adapters[module]!.a), `${module} A`).toBeLessThan(1e-3);
      expect(relativeError(b, final.adapters[module]!.b), `${module} B`).toBeLessThan(1e-3);
    }
    for (const [layer, logAlpha] of gates.logAlpha.entries()) {
      expect(relativeError(logAlpha, final.logAlpha[layer]!), `layer ${layer}`).toBeLessThan(1e-3);
    }
    const all = sizes.map((size) => Int32Array.from({ length: size }, (_, n) => n));
    const kept = keepBest(all, gates.logAlpha, widths).map((indices) => [...indices]);
    expect(kept).toEqual(final.kept);

    const groups = llamaFamily.prunableGroups(config);
    const edits = weightEdits(checkpoint, foldMasks(groups, gates.logAlpha, result.adapters));
    for (const [name, expected] of Object.entries(final.foldedGate)) {
      const bytes = await edits.read(name);
      const rows = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
      const layer = Number(/layers\.(\d+)/.exec(name)![1]);
      const H = config.hiddenSize;
      const found = kept[layer]!.flatMap((n) => [...rows.subarray(n * H, (n + 1) * H)]);
      expect(relativeError(found, expected), name).toBeLessThan(1e-3);
    }
    expect(tf.memory().numTensors).toBe(empty);
  });
});
