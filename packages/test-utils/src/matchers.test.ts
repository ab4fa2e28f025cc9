import { Host } from "@sdmprune/core";
import { selectBackend, tensorPlugin, tf } from "@sdmprune/tensor";
import { beforeAll, describe, expect, it } from "vitest";
import { tensorMatchers } from "./matchers.js";

expect.extend(tensorMatchers);

beforeAll(async () => {
  await selectBackend(new Host().use(tensorPlugin).registries);
});

describe("toBeCloseToTensor", () => {
  it("takes nested numbers, typed arrays and tensors", () => {
    const x = tf.tensor2d([[1, 2], [3, 1000]]); // prettier-ignore
    expect(x).toBeCloseToTensor([[1, 2], [3, 1000.005]]); // prettier-ignore
    expect(x).toBeCloseToTensor(Float64Array.of(1, 2, 3, 1000));
    expect(x).toBeCloseToTensor(x);
    expect(x).not.toBeCloseToTensor([[1, 2], [3, 1001]]); // prettier-ignore
    expect(x).toBeCloseToTensor([[1, 2], [3, 1001]], { rtol: 1e-2 }); // prettier-ignore
  });

  it("says where the first value is off, or that the shape is", () => {
    const x = tf.tensor2d([[1, 2], [3, NaN]]); // prettier-ignore
    expect(() => expect(x).toBeCloseToTensor([[1, 2], [3, 4]])).toThrow("the first, [1, 1], should be 4 and is NaN"); // prettier-ignore
    expect(() => expect(x).toBeCloseToTensor([1, 2, 3, NaN])).toThrow(
      "expected a tensor of shape [4], got shape [2, 2]",
    );
  });
});

describe("toLeakNoTensors", () => {
  it("counts the tensors that a function leaves behind, async or not", async () => {
    expect(() => tf.dispose(tf.ones([2]))).toLeakNoTensors();
    await expect(() => Promise.resolve(tf.dispose(tf.ones([2])))).toLeakNoTensors();
    expect(() => tf.ones([2])).not.toLeakNoTensors();
    expect(() => expect(() => tf.ones([2])).toLeakNoTensors()).toThrow("but it changed by 1");
    await expect(async () => {
      await expect(async () => tf.ones([await Promise.resolve(2)])).toLeakNoTensors();
    }).rejects.toThrow("but it changed by 1");
  });
});
