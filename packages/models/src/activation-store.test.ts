import { tf } from "@sdmprune/tensor";
import { activateCpuBackend } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import { ActivationStore, type ActivationSpill } from "./activation-store.js";

/** A spill in memory. */
function arraySpill(): ActivationSpill & { written: Float32Array[]; cleared: number } {
  const written: Float32Array[] = [];
  return {
    written,
    cleared: 0,
    write: (values) => Promise.resolve(written.push(values.slice()) - 1),
    read: (place, out) => Promise.resolve(out.set(written[place]!)),
    clear() {
      this.cleared++;
    },
  };
}

describe("ActivationStore", () => {
  beforeAll(activateCpuBackend);

  it("holds tensors up to its limit and spills the rest, and gives back the same bits", async () => {
    const spill = arraySpill();
    const store = new ActivationStore({ maxBytes: 2 * 16, spill });
    const before = tf.memory().numTensors;
    const values = [0, 1, 2, 3].map((i) => [i + 0.1, -0, 2 ** -149, -i]);
    const kept = [];
    for (const row of values) kept.push(await store.keep(tf.tensor2d(row, [2, 2])));
    expect(tf.memory().numTensors - before).toBe(2);
    expect(spill.written).toHaveLength(2);
    for (const i of [3, 0, 2, 1]) {
      const back = await store.take(kept[i]!);
      expect(back.shape).toEqual([2, 2]);
      expect(await back.data()).toEqual(Float32Array.from(values[i]!));
      back.dispose();
    }
    expect(tf.memory().numTensors).toBe(before);
    store.dispose();
    expect(spill.cleared).toBe(1);
  });

  it("has room again for what was taken", async () => {
    const spill = arraySpill();
    const store = new ActivationStore({ maxBytes: 16, spill });
    for (let i = 0; i < 3; i++) (await store.take(await store.keep(tf.ones([2, 2])))).dispose();
    expect(spill.written).toEqual([]);
  });

  it("holds everything where there is no limit or no spill, and frees what was not taken", async () => {
    const before = tf.memory().numTensors;
    for (const options of [{}, { maxBytes: 0 }]) {
      const store = new ActivationStore(options);
      await store.keep(tf.ones([8, 8]));
      expect(tf.memory().numTensors).toBe(before + 1);
      store.dispose();
      expect(tf.memory().numTensors).toBe(before);
    }
  });

  it("frees a tensor that cannot be spilled", async () => {
    const before = tf.memory().numTensors;
    const spill = { ...arraySpill(), write: () => Promise.reject(new Error("disk full")) };
    const keeping = new ActivationStore({ maxBytes: 0, spill }).keep(tf.ones([2, 2]));
    await expect(keeping).rejects.toThrow("disk full");
    expect(tf.memory().numTensors).toBe(before);
  });
});
