import { beforeAll, expect } from "vitest";
import * as tf from "@tensorflow/tfjs-core";
import { createCpuBackend } from "../src/cpu-backend.js";

/** Makes the plain JavaScript backend active for the tests of a file. */
export function useCpuBackend(): void {
  beforeAll(() => createCpuBackend().activate());
}

/** A float32 tensor of the given values. */
export function tensor<T extends tf.Tensor>(values: ArrayLike<number>, shape: number[]): T {
  return tf.tensor(Float32Array.from(values), shape, "float32") as T;
}

/** Expects a tensor's values, to `tolerance * max(1, |expected|)` each, and disposes it. */
export function expectValues(actual: tf.Tensor, expected: ArrayLike<number>, tolerance = 1e-5): void {
  const values = actual.dataSync();
  tf.dispose(actual);
  expect(values.length).toBe(expected.length);
  for (let i = 0; i < values.length; i++) {
    const difference = Math.abs(values[i]! - expected[i]!) / Math.max(1, Math.abs(expected[i]!));
    if (!(difference <= tolerance)) {
      expect.fail(
        `element ${i}: expected ${expected[i]}, got ${values[i]} (relative difference ${difference})`,
      );
    }
  }
}

/** Runs `body` and expects that as many tensors are alive afterwards as before. */
export async function expectNoLeak(body: () => void | Promise<void>): Promise<void> {
  const before = tf.memory().numTensors;
  await body();
  expect(tf.memory().numTensors - before).toBe(0);
}
