import type { Registries } from "@sdmprune/core";
import { tf, withBackend } from "@sdmprune/tensor";
import { describe, expect, it } from "vitest";

/** A backend says whether it can run here, and if so computes. */
export function describeBackend(name: string, registries: Registries): void {
  describe(`backend "${name}"`, () => {
    it("says what it can do, and whether it can run here", async () => {
      const backend = await registries.backends.create(name);
      expect(backend.name).toBe(name);
      expect(backend.capabilities).toEqual({
        synchronous: expect.any(Boolean),
        float16: expect.any(Boolean),
        device: expect.stringMatching(/^(cpu|gpu)$/),
      });
      const availability = await backend.isAvailable();
      if (!availability.available) expect(availability.reason).toMatch(/^\S.*[^.\s]$/);
    });

    it("becomes the active one where it can run, multiplies matrices and frees their memory", async (context) => {
      const availability = await (await registries.backends.create(name)).isAvailable();
      context.skip(!availability.available, "the backend cannot run here");
      await withBackend(registries, { name }, async ({ backend }) => {
        await backend.activate(); // once more does no harm
        expect(tf.getBackend()).toBe(name);
        const before = backend.memory().numTensors;
        const product = tf.tidy(() => {
          const a = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
          const b = tf.tensor2d([1, 0, -1, 2, 0.5, 1], [2, 3]);
          return tf.matMul(a, b, false, true); // [2, 3] x [2, 3]^T
        });
        expect(Array.from(await product.data())).toEqual([-2, 6, -2, 16.5]);
        expect(backend.memory().numTensors).toBe(before + 1);
        product.dispose();
        expect(backend.memory().numTensors).toBe(before);
      });
    });
  });
}
