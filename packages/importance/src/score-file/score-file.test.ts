import { FormatError, UsageError } from "@sdmprune/core";
import {
  MemoryByteSource,
  openSafetensors,
  serializeSafetensors,
  type TensorToWrite,
} from "@sdmprune/model-io";
import { describe, expect, it } from "vitest";
import { encodeScoreFile } from "./encode-score-file.js";
import { readScoreFile } from "./read-score-file.js";
import type { ScoreFile } from "./score-file.js";

const importances = new Map([
  ["wanda", [Float64Array.of(0.1, 1e-300, 3), Float64Array.of(4, 5, 1 / 3)]],
  ["magnitude", [Float64Array.of(1, 2, 3), Float64Array.of(-0, 5, 6)]],
]);
const stages = [
  { importance: "taylor", scores: [Float64Array.of(1, 2, 3), Float64Array.of(4, 5, 6)] },
  {
    importance: "self-distillation",
    scores: [Float64Array.of(7, 8), Float64Array.of(9, 10)],
    kept: [Int32Array.of(0, 2), Int32Array.of(1, 2)],
  },
];
const manifest = { seed: 0, calibration: { tokens: [1, 2] }, model_sha256: "ab" };

const read = (bytes: Uint8Array): Promise<ScoreFile> =>
  readScoreFile(new MemoryByteSource(bytes), "s.safetensors");
const vector = (name: string, values: readonly number[], dtype: "F64" | "I64" = "F64"): TensorToWrite => ({
  name,
  dtype,
  shape: [values.length],
  data: () =>
    new Uint8Array(
      dtype === "F64" ? Float64Array.from(values).buffer : BigInt64Array.from(values, BigInt).buffer,
    ),
});
const readTensors = async (...tensors: TensorToWrite[]): Promise<ScoreFile> =>
  read(await serializeSafetensors(tensors));

describe("the score file", () => {
  it.each<[string, ScoreFile]>([
    ["criteria on the model as it is", { importances, stages: [], manifest }],
    ["the stages of a method", { importances: new Map(), stages, manifest }],
    ["both", { importances, stages, manifest: {} }],
  ])("gives back %s, bit for bit", async (_what, content) => {
    const back = await read(await encodeScoreFile(content));
    expect(back.stages).toEqual(content.stages);
    expect(back.manifest).toEqual(content.manifest);
    // The tensors of a safetensors file are sorted by name.
    expect([...back.importances].sort()).toEqual([...content.importances].sort());
  });

  it("names its tensors by criterion, stage and layer", async () => {
    const file = await openSafetensors(await encodeScoreFile({ importances, stages, manifest }));
    expect(
      file.names.map((name) => `${file.tensor(name).dtype} ${name} [${file.tensor(name).shape}]`).sort(),
    ).toEqual([
      "F64 magnitude/layers.0 [3]",
      "F64 magnitude/layers.1 [3]",
      "F64 stage1/taylor/layers.0 [3]",
      "F64 stage1/taylor/layers.1 [3]",
      "F64 stage2/self-distillation/layers.0 [2]",
      "F64 stage2/self-distillation/layers.1 [2]",
      "F64 wanda/layers.0 [3]",
      "F64 wanda/layers.1 [3]",
      "I64 stage2/kept/layers.0 [2]",
      "I64 stage2/kept/layers.1 [2]",
    ]);
    expect(file.metadata).toEqual({ format: "pt", sdmprune_scores: JSON.stringify(manifest) });
  });

  it("is the same bytes when what was read is written again", async () => {
    const bytes = await encodeScoreFile({ importances, stages, manifest });
    expect(await encodeScoreFile(await read(bytes))).toEqual(bytes);
  });

  it("writes part of a larger buffer as it is", async () => {
    const part = Float64Array.of(9, 1, 2, 9).subarray(1, 3);
    const { importances } = await read(
      await encodeScoreFile({ importances: new Map([["x", [part]]]), stages: [], manifest: {} }),
    );
    expect(importances.get("x")).toEqual([Float64Array.of(1, 2)]);
  });

  it("reads a file of another writer, which has no manifest", async () => {
    const { importances, manifest } = await readTensors(vector("mine/layers.0", [1, 2]));
    expect(importances.get("mine")).toEqual([Float64Array.of(1, 2)]);
    expect(manifest).toEqual({});
  });

  it("cannot hold a stage's importance by the name of its kept neurons", async () => {
    const stages = [{ importance: "kept", scores: [Float64Array.of(1)] }];
    const encoding = encodeScoreFile({ importances: new Map(), stages, manifest: {} });
    await expect(encoding).rejects.toThrow(UsageError);
    await expect(encoding).rejects.toThrow('an importance of a method cannot be called "kept"');
  });
});

describe("a malformed score file", () => {
  const scored = vector("stage1/taylor/layers.0", [1, 2, 3]);
  const rescored = vector("stage2/taylor/layers.0", [1, 2]);

  it.each<[string, TensorToWrite[], string]>([
    ["no tensors", [], "expected scores, got a file without tensors."],
    [
      "tensors of a checkpoint",
      [vector("model.norm.weight", [1])],
      'expected tensors named "<importance>/layers.<i>", got "model.norm.weight". Is it a score file?',
    ],
    ["a layer with a leading zero", [vector("x/layers.00", [1])], 'got "x/layers.00"'],
    ["a gap", [vector("x/layers.0", [1]), vector("x/layers.2", [1])], '"x" has 2 layers, but no layers.1.'],
    ["an enormous layer", [vector("x/layers.999999999999", [1])], '"x" has 1 layers, but no layers.0.'],
    [
      "another dtype",
      [{ name: "x/layers.0", dtype: "F32", shape: [1], data: () => new Uint8Array(4) }],
      '"x/layers.0" must be an F64 vector, got F32 of shape [1].',
    ],
    [
      "a matrix",
      [{ name: "x/layers.0", dtype: "F64", shape: [1, 1], data: () => new Uint8Array(8) }],
      '"x/layers.0" must be an F64 vector, got F64 of shape [1, 1].',
    ],
    ["a NaN", [vector("x/layers.0", [1, NaN])], '"x/layers.0" holds NaN at neuron 1; scores must be finite.'],
    ["an infinity", [vector("x/layers.0", [Infinity])], "holds Infinity at neuron 0"],
    [
      "a stage missing",
      [scored, vector("stage3/taylor/layers.0", [1])],
      "expected stage2 to hold the scores of one importance, got none.",
    ],
    [
      "an enormous stage",
      [vector("stage4000000000/x/layers.0", [1])],
      "expected stage1 to hold the scores of one importance, got none.",
    ],
    [
      "two importances in a stage",
      [scored, vector("stage1/wanda/layers.0", [1])],
      "expected stage1 to hold the scores of one importance, got taylor, wanda.",
    ],
    [
      "a second stage that does not say what it scored",
      [scored, rescored],
      'expected "stage2/kept/layers.<i>", the neurons that stage2 scored, got none.',
    ],
    [
      "fewer neurons kept than scored",
      [scored, rescored, vector("stage2/kept/layers.0", [1], "I64")],
      '"stage2/kept" must list as many neurons as stage2 has scores, [2], got [1].',
    ],
    [
      "more layers kept than scored",
      [
        scored,
        rescored,
        vector("stage2/kept/layers.0", [0, 1], "I64"),
        vector("stage2/kept/layers.1", [0], "I64"),
      ],
      '"stage2/kept" must list as many neurons as stage2 has scores, [2], got [2, 1].',
    ],
    [
      "kept neurons as floats",
      [scored, rescored, vector("stage2/kept/layers.0", [0, 1])],
      '"stage2/kept/layers.0" must be an I64 vector, got F64 of shape [2].',
    ],
    ...[
      [1, 0],
      [1, 1],
      [-1, 0],
      [0, 2 ** 31],
    ].map((kept): [string, TensorToWrite[], string] => [
      `kept neurons ${kept.join(" and ")}`,
      [scored, rescored, vector("stage2/kept/layers.0", kept, "I64")],
      '"stage2/kept/layers.0" must hold rising neuron indices.',
    ]),
  ])("with %s is refused", async (_what, tensors, message) => {
    const reading = readTensors(...tensors);
    await expect(reading).rejects.toThrow(FormatError);
    await expect(reading).rejects.toThrow(message);
    await expect(reading).rejects.toThrow(/^s\.safetensors: /);
  });

  it.each([
    ["{", "expected JSON, got a syntax error"],
    ["[]", "expected a JSON object, got a list."],
  ])("with the manifest %s is refused", async (text, message) => {
    const bytes = await serializeSafetensors([scored], { format: "pt", sdmprune_scores: text });
    await expect(read(bytes)).rejects.toThrow(FormatError);
    await expect(read(bytes)).rejects.toThrow(`s.safetensors: its manifest "sdmprune_scores": ${message}`);
  });

  it("that is cut short is refused", async () => {
    const bytes = await encodeScoreFile({ importances, stages, manifest });
    await expect(read(bytes.subarray(0, bytes.length - 1))).rejects.toThrow(FormatError);
    await expect(read(bytes.subarray(0, 4))).rejects.toThrow(FormatError);
  });
});
