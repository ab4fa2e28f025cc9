import { Rng, type Registries } from "@sdmprune/core";
import type { AllocationRequest } from "@sdmprune/pruning";
import { describe, expect, it } from "vitest";

/** An allocation gives every layer a width it can have, and keeps the budget. */
export function describeAllocation(name: string, registries: Registries): void {
  describe(`allocation "${name}"`, () => {
    const requests = Array.from({ length: 20 }, (_, seed): AllocationRequest => {
      const rng = new Rng(seed, "plugin-contract");
      const roundTo = 1 + rng.integer(4);
      const scores = Array.from({ length: 1 + rng.integer(5) }, () =>
        Float64Array.from({ length: 6 * roundTo }, () => rng.uniform()),
      );
      return { scores, roundTo, width: roundTo * (1 + rng.integer(6)) };
    });

    it("gives every layer some of its neurons, in whole multiples, and keeps the budget", async () => {
      const allocation = await registries.allocations.create(name);
      for (const [seed, request] of requests.entries()) {
        const { scores, roundTo, width } = request;
        const widths = allocation.allocate(request);
        const where = `seed ${seed}: ${widths.join(", ")}`;
        expect(widths, where).toHaveLength(scores.length);
        for (const [layer, kept] of widths.entries()) {
          expect(Number.isSafeInteger(kept / roundTo), where).toBe(true);
          expect(kept, where).toBeGreaterThan(0);
          expect(kept, where).toBeLessThanOrEqual(scores[layer]!.length);
        }
        expect(
          widths.reduce((a, b) => a + b),
          where,
        ).toBe(scores.length * width);
      }
    });

    it("gives the same widths twice, and leaves the scores as they are", async () => {
      const [first, second] = await Promise.all([0, 1].map(() => registries.allocations.create(name)));
      for (const request of requests) {
        const before = structuredClone(request.scores);
        expect(first!.allocate(request)).toEqual(second!.allocate(request));
        expect(request.scores).toEqual(before);
      }
    });
  });
}
