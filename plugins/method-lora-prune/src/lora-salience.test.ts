import { tf } from "@sdmprune/tensor";
import { activateCpuBackend } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import { mlpSalience, type AdaptedLayer } from "./lora-salience.js";

const matrix = (rows: number[][]): tf.Tensor2D => tf.tensor2d(rows);

/** Of two outputs, rank 1. */
const layer = (
  weight: number[][],
  a: number[],
  b: number[],
  aGrad: number[],
  bGrad: number[],
): AdaptedLayer => ({
  weight: matrix(weight),
  a: matrix([a]),
  b: matrix(b.map((value) => [value])),
  aGrad: matrix([aGrad]),
  bGrad: matrix(bGrad.map((value) => [value])),
  scaling: 2,
});

describe("mlpSalience", () => {
  beforeAll(activateCpuBackend);

  it("is |G (W + scaling B A)| of gate and up rows and down columns, each normalised, added", async () => {
    // gate: G = dB A + B dA - dB dA with A = [1, 0], B = [1, 0], dA = [0, 1], dB = [1, 2]:
    //   dB A = [[1, 0], [2, 0]], B dA = [[0, 1], [0, 0]], dB dA = [[0, 1], [0, 2]] -> [[1, 0], [2, -2]]
    // W + 2 B A = [[1, 1], [3, 4]] + [[2, 0], [0, 0]] = [[3, 1], [3, 4]]; |G W'| rows: 3, 6 + 8
    const gate = layer([[1, 1], [3, 4]], [1, 0], [1, 0], [0, 1], [1, 2]); // prettier-ignore
    // up: B = 0 and dA = 0, as at the start: G = dB A = [[1, 1], [0, 0]]; |G W| rows: 3 + 4, 0
    const up = layer([[3, -4], [5, 6]], [1, 1], [0, 0], [0, 0], [1, 0]); // prettier-ignore
    // down: G = [[1, 2], [1, 2]]; |G W| = [[1, 0], [2, 6]]; columns: 3, 6
    const down = layer([[1, 0], [-2, 3]], [1, 2], [0, 0], [0, 0], [1, 1]); // prettier-ignore
    const before = tf.memory().numTensors;
    const score = mlpSalience({ gate, up, down });
    expect(tf.memory().numTensors).toBe(before + 1);
    const [first, second] = Array.from(await score.data());
    expect(first).toBeCloseTo(3 / Math.hypot(3, 14) + 1 + 3 / Math.hypot(3, 6), 6);
    expect(second).toBeCloseTo(14 / Math.hypot(3, 14) + 0 + 6 / Math.hypot(3, 6), 6);
    score.dispose();
  });

  it("is zero, not NaN, without a gradient", async () => {
    const flat = layer([[1, 1], [1, 1]], [1, 1], [0, 0], [0, 0], [0, 0]); // prettier-ignore
    const score = mlpSalience({ gate: flat, up: flat, down: flat });
    expect(Array.from(await score.data())).toEqual([0, 0]);
    score.dispose();
  });
});
