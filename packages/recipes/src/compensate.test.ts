import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { FileByteSource, openCheckpoint } from "@sdmprune/model-io/node";
import { openSafetensors } from "@sdmprune/model-io";
import { forwardHidden } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import { activateCpuBackend, tinyLlama } from "@sdmprune/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder, withRun, writeInputIds } from "../test/tiny-run.js";
import { openModel, prune, type PruneRequest } from "./index.js";
import { startEngine } from "./start-engine.js";

/** Made by tools/reference/compensation.py with numpy in float64. */
interface Fixture {
  readonly lambda: number;
  readonly kept: readonly (readonly number[])[];
  readonly ridge: readonly { readonly values: readonly number[] }[];
  readonly bias: readonly { readonly values: readonly number[] }[];
  readonly relativeRmse: readonly Readonly<Record<"before" | "ridge" | "bias", number>>[];
}

const packages = fileURLToPath(new URL("../../", import.meta.url));
const readJson = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));
const fixture = readJson(join(packages, "recipes/test/fixtures/tiny-llama-compensation.json")) as Fixture;
const { sequences } = readJson(join(packages, "importance/test/fixtures/tiny-llama-scores.json")) as {
  sequences: readonly number[][];
};

let root: string;
const referenceModel = join(packages, "test-utils/fixtures/tiny-llama");

beforeAll(async () => {
  await activateCpuBackend();
  root = temporaryFolder(afterAll);
  const rows = sequences.map((input_ids) => JSON.stringify({ input_ids })).join("\n");
  writeFileSync(join(root, "sequences.jsonl"), `${rows}\n`);
  await tinyLlama({ biases: true, dtype: "BF16" }).write(join(root, "biased"));
  writeInputIds(join(root, "ids.jsonl"));
});

let counter = 0;
async function pruneTiny(request: Partial<PruneRequest>) {
  const output = join(root, `out-${counter++}`);
  const calibration = { source: join(root, "sequences.jsonl"), nsamples: 4, seqlen: 24 };
  const asked = { model: referenceModel, output, method: "taylor", width: 32, calibration, ...request };
  const { messages } = await withRun((run) => prune(run, asked));
  return { output, messages };
}

async function tensorOf(folder: string, name: string): Promise<Float32Array> {
  const checkpoint = await openCheckpoint(folder);
  return checkpoint.readFloat32(name);
}

const manifestOf = (folder: string) =>
  readJson(join(folder, "pruning_manifest.json")) as {
    layers: { kept: number[] }[];
    compensation: { kind: string; lambda?: number; relative_rmse: { before: number; after: number }[] };
  };

/** Largest difference, relative to the largest value. */
function difference(found: Float32Array, expected: readonly number[]): number {
  expect(found.length).toBe(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(found[i]! - value))) / largest;
}

describe("compensation", () => {
  it("by ridge gives the down projection, and the errors, that numpy gives", async () => {
    const before = tf.memory().numTensors;
    const { output, messages } = await pruneTiny({ compensate: "ridge" });
    expect(tf.memory().numTensors).toBe(before);
    const { layers, compensation } = manifestOf(output);
    expect(layers.map(({ kept }) => kept)).toEqual(fixture.kept);
    for (const [layer, { values }] of fixture.ridge.entries()) {
      const down = await tensorOf(output, `model.layers.${layer}.mlp.down_proj.weight`);
      expect(difference(down, values)).toBeLessThan(1e-5);
      const { before: without, ridge } = fixture.relativeRmse[layer]!;
      const { before, after } = compensation.relative_rmse[layer]!;
      expect(before / without).toBeCloseTo(1, 5);
      expect(after / ridge).toBeCloseTo(1, 5);
    }
    expect(compensation).toMatchObject({ kind: "ridge", lambda: 0.01 });
    expect(messages).toContainEqual(
      expect.stringMatching(
        /^compensate: relative error of the MLPs' outputs 0\.2950 before, 0\.2136 after ridge/,
      ),
    );
  });

  it("by bias gives a model without biases those that numpy gives, and zero ones beside them", async () => {
    const { output } = await pruneTiny({ compensate: "bias" });
    const config = readJson(join(output, "config.json"));
    expect(config).toMatchObject({ mlp_bias: true, attention_bias: false, intermediate_size: 32 });
    for (const [layer, { values }] of fixture.bias.entries()) {
      const prefix = `model.layers.${layer}.mlp`;
      expect(difference(await tensorOf(output, `${prefix}.down_proj.bias`), values)).toBeLessThan(1e-5);
      const zeros = new Float32Array(32);
      expect(await tensorOf(output, `${prefix}.gate_proj.bias`)).toEqual(zeros);
      expect(await tensorOf(output, `${prefix}.up_proj.bias`)).toEqual(zeros);
      const { before, after } = manifestOf(output).compensation.relative_rmse[layer]!;
      expect(before / fixture.relativeRmse[layer]!.before).toBeCloseTo(1, 5);
      expect(after / fixture.relativeRmse[layer]!.bias).toBeCloseTo(1, 5);
    }
    await withRun(async (run) => {
      const { family, checkpoint, config } = await openModel(run, output);
      await startEngine(run, {});
      const model = await family.load(checkpoint, config);
      const hidden = await forwardHidden(model, Int32Array.of(1, 2, 3), 1);
      expect((await hidden.data()).every(Number.isFinite)).toBe(true);
      hidden.dispose();
      model.dispose();
    });
  });

  it("leaves everything else as it is, in the checkpoint's type, and adds to biases that are there", async () => {
    const biased = {
      model: join(root, "biased"),
      width: 16,
      calibration: { source: join(root, "ids.jsonl") },
    };
    const plain = await pruneTiny(biased);
    const names = (kind: "ridge" | "bias"): Promise<string[]> => changed(kind);
    const changed = async (compensate: "ridge" | "bias"): Promise<string[]> => {
      const { output } = await pruneTiny({ ...biased, compensate });
      const open = async (folder: string) =>
        openSafetensors(await FileByteSource.open(join(folder, "model.safetensors")));
      const [a, b] = [await open(plain.output), await open(output)];
      expect(b.names).toEqual(a.names);
      const differing: string[] = [];
      for (const name of a.names) {
        expect(b.tensor(name)).toMatchObject({ dtype: "BF16", shape: a.tensor(name).shape });
        if (Buffer.compare(await a.read(name), await b.read(name)) !== 0) differing.push(name);
      }
      return differing.sort();
    };
    const inLayers = (part: string): string[] => [0, 1].map((layer) => `model.layers.${layer}.mlp.${part}`);
    expect(await names("ridge")).toEqual(inLayers("down_proj.weight"));
    expect(await names("bias")).toEqual(inLayers("down_proj.bias"));
  });

  it("serves a plan and a score file, to the same weights", async () => {
    const { output } = await pruneTiny({ compensate: "ridge" });
    const down = (folder: string) => tensorOf(folder, "model.layers.1.mlp.down_proj.weight");
    const expected = await down(output);
    const byScores = await pruneTiny({
      compensate: "ridge",
      scores: join(output, "pruning/scores.safetensors"),
    });
    expect(await down(byScores.output)).toEqual(expected);
    const calibration = { source: join(root, "sequences.jsonl"), nsamples: 4, seqlen: 24 };
    const byPlan = join(root, "by-plan");
    const plan = join(output, "pruning/plan.json");
    await withRun((run) =>
      prune(run, { model: referenceModel, output: byPlan, plan, calibration, compensate: "ridge" }),
    );
    expect(await down(byPlan)).toEqual(expected);
  });

  it("is the same weights when layers are written padded to unequal widths", async () => {
    const { output } = await pruneTiny({ allocation: "global", roundTo: 1, width: 30, compensate: "ridge" });
    const { layers } = manifestOf(output);
    const widths = layers.map(({ kept }) => kept.length);
    expect(new Set(widths).size).toBe(2);
    const narrow = widths[0]! < widths[1]! ? 0 : 1;
    const down = await tensorOf(output, `model.layers.${narrow}.mlp.down_proj.weight`);
    const wide = Math.max(...widths);
    expect([...down].filter((_, i) => i % wide >= widths[narrow]!).every((value) => value === 0)).toBe(true);
  });

  it.each<[Partial<PruneRequest>, string]>([
    [
      { compensate: "ridge", method: "magnitude", calibration: undefined },
      'compensation "ridge" needs calibration text. Give it with --calibration FILE.',
    ],
    [
      { compensate: "ridge", planOnly: true },
      "compensate: changes weights, and a plan has none; leave out --plan-only.",
    ],
    [
      { compensate: "bias", compensateLambda: 0.1 },
      "compensate-lambda: is for --compensate ridge, got --compensate bias.",
    ],
    [{ compensate: "ridge", compensateLambda: 0 }, "compensate-lambda: expected a number above 0, got 0."],
    [{ compensate: "ridge", memory: "460MiB" }, "memory: expected at least"],
  ])("refuses %j", async (request, message) => {
    await expect(pruneTiny(request)).rejects.toThrow(message);
  });
});
