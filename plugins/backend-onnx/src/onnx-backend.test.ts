import { tf } from "@sdmprune/tensor";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { clearKernelLog, formatKernelLog, kernelLog, register } from "./tfjs.js";

beforeAll(async () => {
  await register();
  await tf.setBackend("onnx");
});
beforeEach(clearKernelLog);

const NUMBERS = 5000; // more than what counts as small, so that buffers are pooled

describe("memory", () => {
  it("does not write over values that the program has read, after their tensor is gone", () => {
    const x = tf.ones([NUMBERS]);
    const y = tf.add(x, 1);
    const read = y.dataSync();
    y.dispose();
    const z = tf.add(x, 7);
    expect(read[0]).toBe(2);
    expect(z.dataSync()[0]).toBe(8);
    tf.dispose([x, z]);
  });

  it("does not write over a slice whose source is gone", () => {
    const x = tf.range(0, 2 * NUMBERS);
    const doubled = tf.mul(x, 2);
    const second = tf.slice(doubled, [NUMBERS], [NUMBERS]);
    doubled.dispose();
    const other = tf.mul(x, 0);
    expect(second.dataSync()[1]).toBe(2 * (NUMBERS + 1));
    tf.dispose([x, second, other]);
  });

  it("does not write over a view which a kernel of tfjs's CPU backend made", () => {
    const x = tf.ones([NUMBERS]);
    const y = tf.add(x, 1);
    const view = tf.reshape(y, [50, 100]);
    y.dispose();
    const other = tf.add(x, 5);
    expect(view.dataSync()[7]).toBe(2);
    tf.dispose([x, view, other]);
  });

  it("uses the buffer of a disposed tensor for the next of its size, and gives all back in the end", () => {
    const leased = () => (tf.memory() as unknown as { poolLeasedBytes: number }).poolLeasedBytes;
    const free = () => (tf.memory() as unknown as { poolFreeBytes: number }).poolFreeBytes;
    const x = tf.ones([NUMBERS + 1]);
    const before = leased();
    tf.add(x, 1).dispose();
    const kept = free();
    for (let i = 0; i < 10; i++) tf.add(x, i).dispose();
    expect(free()).toBe(kept);
    expect(leased()).toBe(before);
    x.dispose();
  });

  it("leaves one tensor behind per result", () => {
    const x = tf.ones([40, 30]);
    const before = tf.memory().numTensors;
    const parts = [tf.matMul(x, x, false, true), ...tf.split(x, 3, 1), tf.sum(x, 0)];
    expect(tf.memory().numTensors).toBe(before + 5);
    tf.dispose([x, parts]);
    expect(tf.memory().numTensors).toBe(before - 1);
  });
});

describe("matrix products", () => {
  const random = (...shape: number[]) => tf.randomNormal(shape, 0, 1, "float32", 3);

  it.each([
    [64, 48],
    [300, 200],
  ])("gives a row of %i inputs the same bits alone and among others", (K, N) => {
    const x = random(33, K);
    const w = random(N, K);
    const all = tf.matMul(x, w, false, true).dataSync();
    for (const rows of [1, 2, 5]) {
      const some = tf.matMul(tf.slice(x, 0, rows), w, false, true).dataSync();
      expect([...some]).toEqual([...all.subarray(0, rows * N)]);
    }
  });

  it("gives the same bits every time", () => {
    const [x, w] = [random(200, 333), random(333, 150)];
    const run = () => [...tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D).dataSync()];
    expect(run()).toEqual(run());
  });

  it.each([
    ["batches", [3, 4, 5], [3, 5, 6], false, false],
    ["one matrix for all batches", [3, 4, 5], [5, 6], false, false],
    ["one matrix for all batches, transposed", [3, 4, 5], [6, 5], false, true],
    ["batches that broadcast both ways", [2, 1, 4, 5], [1, 3, 5, 6], false, false],
    ["transposed batches", [3, 5, 4], [3, 6, 5], true, true],
    ["transposed batches and one matrix", [3, 5, 4], [1, 5, 6], true, false],
    ["single rows in batches", [3, 1, 5], [3, 6, 5], false, true],
    ["a single row", [1, 5], [5, 6], false, false],
    ["a single transposed row", [5, 1], [5, 6], true, false],
    ["a single column", [4, 5], [5, 1], false, false],
  ])("multiplies %s", (_, aShape, bShape, transposeA, transposeB) => {
    const a = random(...aShape);
    const b = random(...bShape);
    const product = tf.matMul(a, b, transposeA, transposeB);
    const [A, B, C] = [a, b, product].map((t) => t.arraySync()) as [unknown, unknown, unknown];
    const at = (x: unknown, index: readonly number[]): number =>
      index.reduce<unknown>(
        (inner, i) => (inner as unknown[])[Math.min(i, (inner as unknown[]).length - 1)],
        x,
      ) as number;
    const K = transposeA ? aShape.at(-2)! : aShape.at(-1)!;
    const visit = (index: readonly number[]): void => {
      if (index.length < product.rank) {
        for (let i = 0; i < product.shape[index.length]!; i++) visit([...index, i]);
        return;
      }
      const batch = index.slice(0, -2);
      const [i, j] = index.slice(-2) as [number, number];
      let sum = 0;
      for (let k = 0; k < K; k++) {
        const aIndex = [...batch.slice(batch.length - (a.rank - 2)), ...(transposeA ? [k, i] : [i, k])];
        const bIndex = [...batch.slice(batch.length - (b.rank - 2)), ...(transposeB ? [j, k] : [k, j])];
        sum += at(A, aIndex) * at(B, bIndex);
      }
      expect(at(C, index)).toBeCloseTo(sum, 4);
    };
    visit([]);
    tf.dispose([a, b, product]);
  });
});

describe("kernel log", () => {
  it("counts calls, time and bytes, and says what ran in plain JavaScript", () => {
    const x = tf.ones([30, 50]);
    tf.matMul(x, x, false, true).dispose();
    tf.matMul(x, x, true).dispose();
    tf.topk(x, 2).values.dispose();
    const log = kernelLog();
    const product = log.find(({ kernel }) => kernel === "BatchMatMul")!;
    expect(product).toMatchObject({ path: "native", calls: 2, largestTensor: 2500 });
    expect(product.bytes).toBe(4 * (1500 * 4 + 900 + 2500));
    expect(product.elapsedMs).toBeGreaterThan(0);
    expect(log.find(({ kernel }) => kernel === "TopK")).toMatchObject({
      path: "fallback",
      largestTensor: 1500,
    });
    expect(formatKernelLog(log)).toMatch(/^kernel +path +calls +ms +MB +largest tensor\n/);
  });
});

describe("register", () => {
  it("can be called again, to change the number of threads", async () => {
    const x = tf.ones([20, 20]);
    await register({ threads: 1 });
    expect(tf.matMul(x as tf.Tensor2D, x as tf.Tensor2D).dataSync()[0]).toBe(20);
    await register();
    expect(tf.matMul(x as tf.Tensor2D, x as tf.Tensor2D).dataSync()[0]).toBe(20);
    x.dispose();
  });

  it("refuses a number of threads that is none", async () => {
    await expect(register({ threads: 0 })).rejects.toThrow("threads: expected a positive integer, got 0.");
  });
});
