import { NotFoundError, UsageError } from "@sdmprune/core";
import { describe, expect, it } from "vitest";
import { findStageScores } from "./find-stage-scores.js";
import type { ScoreFile } from "./score-file.js";

const whole = [Int32Array.of(0, 1, 2), Int32Array.of(0, 1, 2)];
const kept = [Int32Array.of(0, 2), Int32Array.of(1, 2)];
const plain = [Float64Array.of(1, 2, 3), Float64Array.of(4, 5, 6)];
const first = [Float64Array.of(3, 2, 1), Float64Array.of(6, 5, 4)];
const second = [Float64Array.of(7, 8), Float64Array.of(9, 10)];
const plainFile: ScoreFile = {
  importances: new Map([
    ["taylor", plain],
    ["self-distillation", first],
  ]),
  stages: [],
  manifest: {},
};
const methodFile: ScoreFile = {
  importances: new Map(),
  stages: [
    { importance: "taylor", scores: first },
    { importance: "self-distillation", scores: second, kept },
  ],
  manifest: {},
};

describe("findStageScores", () => {
  const find = (file: ScoreFile, number: number, importance: string, kept: readonly Int32Array[]) =>
    findStageScores(file, "s.safetensors", { number, importance, kept });

  it("gives every stage of a method its own scores", () => {
    expect(find(methodFile, 1, "taylor", whole)).toBe(first);
    expect(find(methodFile, 2, "self-distillation", kept)).toBe(second);
  });

  it("gives the first stage scores of the model as it is", () => {
    expect(find(plainFile, 1, "taylor", whole)).toBe(plain);
    expect(find({ ...methodFile, importances: plainFile.importances }, 1, "taylor", whole)).toBe(first);
  });

  it.each([
    [plainFile, 2, "taylor", 'expected scores of "taylor" for stage 2, got taylor, self-distillation.'],
    [plainFile, 1, "tailor", 'got taylor, self-distillation. Did you mean "taylor"?'],
    [
      methodFile,
      2,
      "taylor",
      'expected scores of "taylor" for stage 2, got stage1/taylor, stage2/self-distillation.',
    ],
    [
      { ...plainFile, importances: new Map() },
      1,
      "taylor",
      'expected scores of "taylor" for stage 1, got none.',
    ],
  ])("says what the file holds when it lacks the scores (%#)", (file, number, importance, message) => {
    expect(() => find(file, number, importance, whole)).toThrow(NotFoundError);
    expect(() => find(file, number, importance, whole)).toThrow(message);
  });

  it("refuses scores of another model's widths, or of other neurons", () => {
    expect(() => find(plainFile, 1, "taylor", kept)).toThrow(UsageError);
    expect(() => find(plainFile, 1, "taylor", kept)).toThrow(
      's.safetensors: the scores of "taylor" for stage 1 are for MLPs of width [3, 3], expected [2, 2].',
    );
    const others = [Int32Array.of(0, 2), Int32Array.of(0, 2)];
    expect(() => find(methodFile, 2, "self-distillation", others)).toThrow(UsageError);
    expect(() => find(methodFile, 2, "self-distillation", others)).toThrow(
      "are for other neurons of layer 1 than the stage before keeps.",
    );
  });
});
