import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VERSION } from "@sdmprune/core";
import { FileByteSource, openCheckpoint } from "@sdmprune/model-io/node";
import { readScoreFile } from "@sdmprune/importance/score-file";
import { forwardHidden, headLogits, llamaFamily } from "@sdmprune/models";
import { activateCpuBackend, tinyLlama, type TinyLlamaOptions } from "@sdmprune/test-utils";
import { tf } from "@sdmprune/tensor";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { filesOf, temporaryFolder, withRun, writeInputIds } from "../test/tiny-run.js";
import { openModel, prune, type PruneRequest } from "./index.js";
import { startEngine } from "./start-engine.js";

let root: string;
let model: string;
let calibration: { source: string; nsamples: number };

beforeAll(async () => {
  await activateCpuBackend();
  root = temporaryFolder(afterAll);
  model = join(root, "model");
  await tinyLlama().write(model);
  calibration = { source: writeInputIds(join(root, "ids.jsonl")), nsamples: 3 };
});

let counter = 0;
/** Prunes the tiny model, or the one of the request, into a new folder. */
async function pruneTiny(request: Partial<PruneRequest>, seed = 0) {
  const output = join(root, `out-${counter++}`);
  const { result, messages } = await withRun(
    (run) => prune(run, { model, output, roundTo: 1, calibration, ...request }),
    { seed },
  );
  return { ...result, output: request.output ?? output, messages };
}

interface Manifest {
  [key: string]: unknown;
  layers: { intermediate_size: number; intermediate_size_before: number; kept: number[] }[];
  parameters: Record<"before" | "after" | "pruning_ratio", Record<"total" | "non_embedding" | "mlp", number>>;
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "pruning_manifest.json"), "utf8")) as Manifest;
}

function configOf(folder: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Record<string, unknown>;
}

/** Logits of our own model on a folder; for the CPU backend of the run. */
async function logitsOf(folder: string, ids: Int32Array): Promise<Float32Array> {
  const { result } = await withRun(async (run) => {
    const opened = await openModel(run, folder);
    await startEngine(run, {});
    const lm = await opened.family.load(opened.checkpoint, opened.config);
    const hidden = await forwardHidden(lm, ids, 1);
    const logits = await headLogits(lm.head, hidden);
    const values = (await logits.data()) as Float32Array;
    tf.dispose([hidden, logits]);
    lm.dispose();
    return values;
  });
  return result;
}

describe("prune, by every method", () => {
  it.each(["sdmprune", "taylor", "magnitude", "wanda", "random", "self-distillation"])(
    "%s writes a checkpoint of the asked width that our own models load",
    async (method) => {
      const before = tf.memory().numTensors;
      const { output, plan } = await pruneTiny({ method, width: 16 });
      expect(plan.layers.map(({ width }) => width)).toEqual([16, 16]);
      expect(configOf(output)["intermediate_size"]).toBe(16);
      const pruned = await openCheckpoint(output);
      expect(pruned.info("model.layers.1.mlp.gate_proj.weight").shape).toEqual([16, 16]);
      expect(pruned.info("model.layers.1.mlp.down_proj.weight").shape).toEqual([16, 16]);
      const logits = await logitsOf(output, Int32Array.of(0, 5, 80));
      expect(logits.every(Number.isFinite)).toBe(true);
      expect(tf.memory().numTensors).toBe(before);
      expect(readdirSync(root).filter((name) => name.startsWith("."))).toEqual([]);
    },
  );

  it("keeps row j of gate and up and column j of down, bit for bit, for the neurons of the manifest", async () => {
    const { output } = await pruneTiny({ method: "magnitude", width: 5 });
    const { kept } = manifestOf(output).layers[1]!;
    const [source, pruned] = [await openCheckpoint(model), await openCheckpoint(output)];
    const name = (which: string): string => `model.layers.1.mlp.${which}_proj.weight`;
    const [up, down] = [await source.readFloat32(name("up")), await source.readFloat32(name("down"))];
    const expectedUp = kept.flatMap((n) => Array.from(up.subarray(16 * n, 16 * n + 16))); // [F, H]
    const expectedDown = Array.from({ length: 16 }, (_, h) => kept.map((n) => down[24 * h + n])).flat(); // [H, F]
    expect(Array.from(await pruned.readFloat32(name("up")))).toEqual(expectedUp);
    expect(Array.from(await pruned.readFloat32(name("down")))).toEqual(expectedDown);
  });

  it("removes the neurons of the smallest norm with magnitude", async () => {
    const { output } = await pruneTiny({ method: "magnitude", width: 7 });
    const { values } = tinyLlama();
    const part = (which: string): Float32Array => values(`model.layers.0.mlp.${which}_proj.weight`);
    const norms = Array.from({ length: 24 }, (_, n) => {
      const own = [
        ...part("gate").subarray(16 * n, 16 * n + 16),
        ...part("up").subarray(16 * n, 16 * n + 16),
      ];
      const column = Array.from({ length: 16 }, (_, h) => part("down")[24 * h + n]!);
      return [...own, ...column].reduce((sum, x) => sum + x * x, 0);
    });
    const best = [...norms.keys()].sort((a, b) => norms[b]! - norms[a]!).slice(0, 7);
    expect(manifestOf(output).layers[0]!.kept).toEqual(best.sort((a, b) => a - b));
  });

  it("cuts SDMPrune's first stage at 97.5 % of the neurons, rounded down, and says so in the score file", async () => {
    const { output } = await pruneTiny({ width: 12 });
    const file = readFileSync(join(output, "pruning/scores.safetensors")).toString("latin1");
    expect(file).toContain('"stage1/taylor/layers.0":{"dtype":"F64","shape":[24]');
    expect(file).toContain('"stage2/self-distillation/layers.1":{"dtype":"F64","shape":[23]');
    expect(file).toContain('"stage2/kept/layers.1":{"dtype":"I64","shape":[23]');
    expect(manifestOf(output)["stages"]).toEqual(["taylor", "self-distillation"]);
  });

  it("prunes in one stage from the dense model when told to, or when the target is above the first stage's width", async () => {
    const asked = await pruneTiny({ width: 12, methodOptions: { stages: 1 } });
    expect(manifestOf(asked.output)["stages"]).toEqual(["self-distillation"]);
    const slight = await pruneTiny({ width: 23 });
    expect(manifestOf(slight.output)["stages"]).toEqual(["self-distillation"]);
  });

  it("gives wanda other scores when each layer sees what the pruned ones before it put out", async () => {
    const plain = await pruneTiny({ method: "wanda", width: 4 });
    const propagated = await pruneTiny({ method: "wanda", width: 4, methodOptions: { propagate: true } });
    const scores = async (folder: string) => {
      const file = join(folder, "pruning/scores.safetensors");
      return (await readScoreFile(await FileByteSource.open(file), file)).stages[0]!.scores;
    };
    const [one, other] = [await scores(plain.output), await scores(propagated.output)];
    expect(other[0]).toEqual(one[0]);
    expect(other[1]).not.toEqual(one[1]);
  });
});

describe("prune, to a target", () => {
  // 2 layers of 24 neurons of 48 parameters; embedding 258 x 16; attention 768 and norms 32 a layer; final norm 16.
  const mlp = 2 * 24 * 48;
  const nonEmbedding = mlp + 2 * (768 + 32) + 16;
  const total = nonEmbedding + 258 * 16;

  it.each([
    ["total", 0.2, 1, 24 - (0.2 * total) / 96],
    ["non-embedding", 0.3, 1, 24 - (0.3 * nonEmbedding) / 96],
    ["mlp", 0.5, 1, 12],
    ["mlp", 0.3, 8, 16],
  ] as const)("%s %d, rounded to %d", async (ratioOf, pruningRatio, roundTo, exact) => {
    const { output, plan } = await pruneTiny({ method: "random", ratioOf, pruningRatio, roundTo });
    const width = Math.floor(exact / roundTo + 0.5) * roundTo;
    expect(plan.layers.map((layer) => layer.width)).toEqual([width, width]);
    const removed = (24 - width) * 96;
    const { before, after, pruning_ratio: ratio } = manifestOf(output).parameters;
    expect(before).toEqual({ total, non_embedding: nonEmbedding, mlp });
    expect(after).toEqual({
      total: total - removed,
      non_embedding: nonEmbedding - removed,
      mlp: mlp - removed,
    });
    expect(ratio.total).toBeCloseTo(removed / total, 12);
    expect(ratio.non_embedding).toBeCloseTo(removed / nonEmbedding, 12);
    expect(ratio.mlp).toBeCloseTo(removed / mlp, 12);
  });

  it.each<[string, Partial<PruneRequest>, string | RegExp]>([
    ["a ratio and a width", { pruningRatio: 0.2, width: 8 }, "prune: expected a ratio or a width, got both."],
    ["a width above the model's", { width: 25 }, "width: expected an integer from 1 to 24"],
    ["a ratio that the MLPs cannot give", { pruningRatio: 0.9 }, /^ratio: 0\.9 of total parameters needs/],
    ["a ratio that rounds to nothing", { pruningRatio: 0.05, roundTo: 64 }, /^ratio: 0\.05 of total/],
    ["a plan and a width", { plan: "p.json", width: 3 }, "got width too"],
    ["a preset of another method", { preset: "paper-20", method: "wanda" }, "for the method sdmprune, got wanda."],
    ["an unknown preset", { preset: "paper-25" }, "expected one of paper-20, paper-30, paper-40"],
    ["no calibration", { calibration: undefined, width: 8 }, "needs calibration text. Give it with --calibration FILE."],
    ["an option of a method without any", { method: "random", methodOptions: { alpha: 1 }, width: 8 }, 'method "random": expected no options, got alpha.'],
    ["an option the method lacks", { method: "taylor", methodOptions: { alpha: 1 }, width: 8 }, 'method "taylor": unknown key "alpha", available: absolute.'],
    ["an option out of range", { methodOptions: { alpha: 2 }, width: 8 }, 'method "sdmprune": "alpha": expected at most 1, got 2.'],
    ["propagation with global widths", { method: "wanda", methodOptions: { propagate: true }, allocation: "global", width: 8 }, 'needs "uniform", got "global"'],
  ])("refuses %s", async (_, request, message) => {
    await expect(pruneTiny(request)).rejects.toThrow(message);
    expect(readdirSync(root).filter((name) => name.startsWith("."))).toEqual([]);
  }); // prettier-ignore

  it("fills in a preset where the request is silent", async () => {
    const { output } = await pruneTiny({
      preset: "paper-30",
      width: 8,
      methodOptions: { tau: 1 },
      calibration: { ...calibration, seqlen: 12 },
    });
    expect(manifestOf(output)["method_options"]).toEqual({
      alpha: 0.42,
      tau: 1,
      stages: 2,
      absolute: "sample",
    });
  });
});

describe("prune, with widths that differ", () => {
  /** A model whose second layer matters little, so that a global ranking keeps less of it. */
  async function lopsided(options: TinyLlamaOptions = {}): Promise<string> {
    const folder = join(root, `lopsided-${counter++}`);
    await tinyLlama(options).write(folder);
    const file = join(folder, "model.safetensors");
    const bytes = readFileSync(file);
    const start = 8 + Number(bytes.readBigUInt64LE(0));
    const header = JSON.parse(bytes.subarray(8, start).toString()) as Record<
      string,
      { data_offsets: number[] }
    >;
    for (const which of ["gate", "up", "down"]) {
      const [begin, end] = header[`model.layers.1.mlp.${which}_proj.weight`]!.data_offsets as [
        number,
        number,
      ];
      for (let at = start + begin; at < start + end; at += 4)
        bytes.writeFloatLE(0.9 * bytes.readFloatLE(at), at);
    }
    writeFileSync(file, bytes);
    return folder;
  }
  const ids = Int32Array.of(0, 9, 70, 200, 31, 4);

  it("pads them with zeros to the widest layer, or writes them as they are; both give the same logits", async () => {
    const source = await lopsided();
    const request = { model: source, method: "magnitude", allocation: "global", width: 12 };
    const padded = await pruneTiny(request);
    const heterogeneous = await pruneTiny({ ...request, exportForm: "heterogeneous" });
    const widths = padded.plan.layers.map(({ width }) => width);
    expect(widths[0]).toBeGreaterThan(widths[1]!);
    expect(widths[0]! + widths[1]!).toBe(24);
    expect(heterogeneous.plan).toEqual(padded.plan);

    expect(configOf(padded.output)["intermediate_size"]).toBe(widths[0]);
    expect(manifestOf(padded.output)["intermediate_size"]).toEqual([widths[0], widths[0]]);
    expect(configOf(heterogeneous.output)).toMatchObject({
      intermediate_size: widths[0],
      per_layer_config: { "1": { intermediate_size: widths[1] } },
    });
    const config = llamaFamily.parseConfig(configOf(heterogeneous.output));
    expect(config.intermediateSizes).toEqual(widths);
    expect(heterogeneous.compatibility.every(({ status }) => status === "no")).toBe(true);

    const expected = await logitsOf(padded.output, ids);
    const got = await logitsOf(heterogeneous.output, ids);
    expect(Math.max(...got.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(1e-5);
  });

  it("prunes a heterogeneous checkpoint further", async () => {
    const source = await lopsided();
    const first = await pruneTiny({
      model: source,
      method: "magnitude",
      allocation: "global",
      width: 12,
      exportForm: "heterogeneous",
    });
    const second = await pruneTiny({ model: first.output, method: "taylor", width: 4 });
    expect(configOf(second.output)["intermediate_size"]).toBe(4);
    expect((await logitsOf(second.output, ids)).every(Number.isFinite)).toBe(true);
  });
});

describe("prune, again", () => {
  it("gives the same bytes for the same seed and others for another, in all files but run.json", async () => {
    const text = join(root, "text.txt");
    writeFileSync(
      text,
      Array.from({ length: 40 }, (_, i) => `Story ${i} of a fox, ${i * 7} apples.`).join("\n\n"),
    );
    const request: Partial<PruneRequest> = {
      width: 12,
      calibration: { source: text, nsamples: 4, seqlen: 24 },
    };
    const [one, two, other] = [
      await pruneTiny(request),
      await pruneTiny(request),
      await pruneTiny(request, 1),
    ];
    expect(filesOf(one.output)).toEqual(filesOf(two.output));
    expect([...filesOf(one.output).keys()]).toEqual([
      "config.json",
      "generation_config.json",
      "model.safetensors",
      "pruning/plan.json",
      "pruning/scores.safetensors",
      "pruning_manifest.json",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
    const weights = "model.safetensors";
    expect(filesOf(other.output).get(weights)).not.toBe(filesOf(one.output).get(weights));
    const random = [0, 0, 1].map((seed) => pruneTiny({ method: "random", width: 12 }, seed));
    const [a, b, c] = (await Promise.all(random)).map(({ plan }) => JSON.stringify(plan));
    expect(a).toBe(b);
    expect(a).not.toBe(c);
  });

  it("applies a plan that was made alone to the same checkpoint bytes", async () => {
    const { output } = await pruneTiny({ width: 12 });
    const file = join(root, "plan.json");
    const { plan } = await pruneTiny({ width: 12, planOnly: true, output: file });
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(plan);
    const applied = await pruneTiny({ plan: file, calibration: undefined });
    for (const name of ["model.safetensors", "config.json", "pruning/plan.json"]) {
      expect(filesOf(applied.output).get(name), name).toBe(filesOf(output).get(name));
    }
    expect(manifestOf(applied.output)).toMatchObject({ method: "plan", layers: manifestOf(output).layers });
    await expect(pruneTiny({ width: 12, planOnly: true, output: file })).rejects.toThrow(
      `${file}: expected nothing there yet, got a file.`,
    );
  });

  it("writes nothing for a plan without an output", async () => {
    const before = readdirSync(root);
    const { result } = await withRun((run) =>
      prune(run, { model, method: "magnitude", width: 3, planOnly: true }),
    );
    expect(result.output).toBeUndefined();
    expect(result.plan.layers[0]!.kept).toHaveLength(3);
    expect(readdirSync(root)).toEqual(before);
  });
});

describe("prune, of checkpoints of other forms", () => {
  it("passes every tensor through, bit for bit, when nothing is pruned", async () => {
    const { output } = await pruneTiny({ method: "magnitude", width: 24 });
    const weights = "model.safetensors";
    expect(filesOf(output).get(weights)).toBe(filesOf(model).get(weights));
    expect(filesOf(output).get("config.json")).toBe(filesOf(model).get("config.json"));
  });

  it("keeps the dtype of a sharded BF16 checkpoint and the text of its config", async () => {
    const source = join(root, "sharded");
    await tinyLlama({ dtype: "BF16", tied: false, biases: true }).write(source);
    await shard(source);
    const configText = readFileSync(join(source, "config.json"), "utf8").replace("0.00001", "1e-05");
    writeFileSync(join(source, "config.json"), configText);

    const whole = await pruneTiny({ model: source, method: "random", width: 24 });
    const [before, after] = [await openCheckpoint(source), await openCheckpoint(whole.output)];
    expect(before.weightFiles).toHaveLength(3);
    expect(after.tensorNames()).toEqual(before.tensorNames());
    for (const name of before.tensorNames()) {
      expect(Buffer.from(await after.read(name)).equals(await before.read(name)), name).toBe(true);
      expect(after.info(name).dtype).toBe("BF16");
    }
    const { output } = await pruneTiny({ model: source, method: "taylor", width: 10 });
    const pruned = await openCheckpoint(output);
    expect(pruned.info("model.layers.0.mlp.gate_proj.bias")).toMatchObject({ dtype: "BF16", shape: [10] });
    expect(pruned.info("model.layers.0.mlp.down_proj.bias")).toMatchObject({ dtype: "BF16", shape: [16] });
    expect(readFileSync(join(output, "config.json"), "utf8")).toBe(
      configText.replace('"intermediate_size": 24', '"intermediate_size": 10'),
    );
  });

  it("takes rows of input_ids for a folder without a tokenizer, and says what is missing for text", async () => {
    const bare = join(root, "bare");
    await tinyLlama().write(bare);
    rmSync(join(bare, "tokenizer.json"));
    rmSync(join(bare, "tokenizer_config.json"));
    const { output } = await pruneTiny({ model: bare, method: "taylor", width: 8 });
    expect(manifestOf(output)["calibration"]).toMatchObject({ sampler: "input-ids", nsamples: 3 });
    const text = join(root, "words.txt");
    writeFileSync(text, "One text.\n\nAnother text.");
    await expect(
      pruneTiny({ model: bare, width: 8, calibration: { source: text, nsamples: 1, seqlen: 4 } }),
    ).rejects.toThrow(/expected a tokenizer/);
  });
});

/** Splits a folder's one file of weights in three. */
async function shard(folder: string): Promise<void> {
  const { planShards, serializeSafetensors } = await import("@sdmprune/model-io");
  const checkpoint = await openCheckpoint(folder);
  const tensors = checkpoint
    .tensorNames()
    .map((name) => ({ ...checkpoint.info(name), data: () => checkpoint.read(name) }));
  const size = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const { files, index } = planShards(tensors, Math.ceil(size / 2.5));
  const encoded = await Promise.all(
    files.map(async (file) => ({ name: file.name, bytes: await serializeSafetensors(file.tensors) })),
  );
  rmSync(join(folder, "model.safetensors"));
  for (const { name, bytes } of encoded) writeFileSync(join(folder, name), bytes);
  writeFileSync(join(folder, "model.safetensors.index.json"), index!);
}

describe("the manifest", () => {
  it("holds what made the checkpoint, and no clock, path or duration", async () => {
    const { output, plan } = await pruneTiny({ width: 12, calibration: { ...calibration, nsamples: 2 } });
    const manifest = manifestOf(output);
    const { createHash } = await import("node:crypto");
    const source = await openCheckpoint(model);
    const scores = readFileSync(join(output, "pruning/scores.safetensors"));
    expect(manifest).toMatchObject({
      format: "sdmprune-manifest",
      version: 1,
      method: "sdmprune",
      method_options: { alpha: 0.4, tau: 0.2, stages: 2 },
      seed: 0,
      allocation: "uniform",
      target: { width: 12 },
      source: { model_type: "llama", sha256: await source.hash() },
      export: "padded",
      intermediate_size: [12, 12],
      scores_sha256: createHash("sha256").update(scores).digest("hex"),
      backend: "cpu",
      versions: { sdmprune: VERSION },
    });
    expect(manifest.layers.map(({ kept }) => kept)).toEqual(plan.layers.map(({ kept }) => kept));
    expect(manifest["calibration"]).toMatchObject({
      sampler: "input-ids",
      nsamples: 2,
      seed: 0,
      files: [{ name: "ids.jsonl" }],
      samples: [
        { length: 12, spans: [{ document: "ids.jsonl#1", offset: 0, length: 12 }] },
        { length: 12, spans: [{ document: "ids.jsonl#2", offset: 0, length: 12 }] },
      ],
    });
    const text = readFileSync(join(output, "pruning_manifest.json"), "utf8");
    expect(text).not.toContain(root);
    expect(text).not.toMatch(/\d{4}-\d\d-\d\d|seconds|time/);
    const keys = [...text.matchAll(/"(\w+)":/g)].map((match) => match[1]!);
    expect(keys.filter((key) => key !== key.toLowerCase())).toEqual([]);
    const run = JSON.parse(readFileSync(join(output, "run.json"), "utf8")) as Record<string, unknown>;
    expect(run).toMatchObject({ model, output });
    expect(Object.keys(run)).toEqual(["started_at", "finished_at", "seconds", "model", "output"]);
  });
});
