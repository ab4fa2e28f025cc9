import { llamaFamily, type RawConfig } from "@sdmprune/models/families";
import { modelShape } from "@sdmprune/pruning";
import { describe, expect, it } from "vitest";
import { formatByteSize } from "./byte-size.js";
import { describePlan, leastMemory, planMemory, poolBytesFor, type SweepSize } from "./plan-memory.js";

const GIB = 2 ** 30;

/** `config.json` of well-known shapes, as far as it matters here. */
const SHAPES: Readonly<Record<string, RawConfig>> = {
  "smollm2-135m": {
    hidden_size: 576,
    intermediate_size: 1536,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    vocab_size: 49152,
    tie_word_embeddings: true,
  },
  "llama-3.2-1b": {
    hidden_size: 2048,
    intermediate_size: 8192,
    num_hidden_layers: 16,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    vocab_size: 128256,
    tie_word_embeddings: true,
  },
  "llama-2-7b": {
    hidden_size: 4096,
    intermediate_size: 11008,
    num_hidden_layers: 32,
    num_attention_heads: 32,
    vocab_size: 32000,
  },
};

function sizeOf(name: string, more: Partial<SweepSize> = {}): SweepSize {
  const config = llamaFamily.parseConfig({ model_type: "llama", ...SHAPES[name] });
  const tensors = new Map(llamaFamily.expectedTensors(config).map(({ name, shape }) => [name, shape]));
  const shape = modelShape(llamaFamily.prunableGroups(config), tensors, llamaFamily.isEmbedding);
  return { config, shape, seqlen: 1024, nsamples: 128, backward: true, teacher: "none", ...more };
}

describe("planMemory", () => {
  const policyOf = (name: string, budgetGiB: number, more?: Partial<SweepSize>): string => {
    const { residency, recompute, microBatch, maxActivationBytes } = planMemory(
      sizeOf(name, more),
      budgetGiB * GIB,
    );
    return [residency, recompute && "recompute", microBatch, maxActivationBytes === 0 && "spill"]
      .filter((part) => part !== false)
      .join(" ");
  };

  it("takes the quickest way that fits: memory first, recomputing second, reading blocks third", () => {
    expect([16, 7.4, 6.4, 5, 3, 2].map((budget) => policyOf("llama-3.2-1b", budget))).toEqual([
      "resident 1",
      "resident recompute 1",
      "resident recompute 1",
      "streamed recompute 8",
      "streamed recompute 8",
      "streamed recompute 4",
    ]);
    expect([64, 8, 5].map((budget) => policyOf("llama-2-7b", budget, { seqlen: 512 }))).toEqual([
      "resident 1",
      "streamed recompute 8",
      "streamed recompute 8",
    ]);
    expect(policyOf("smollm2-135m", 6)).toBe("resident 1");
  });

  it("never plans for more than the budget, but where even the leanest way takes more", () => {
    for (const name of Object.keys(SHAPES)) {
      for (let budget = 0.25; budget < 100; budget *= 1.1) {
        const plan = planMemory(sizeOf(name), budget * GIB);
        const isLeanest = plan.residency === "streamed" && plan.microBatch === 1;
        if (plan.peakBytes > budget * GIB)
          expect({ name, budget, isLeanest }).toMatchObject({ isLeanest: true });
      }
    }
  });

  it("spills the inputs of blocks before it gives up", () => {
    const long = { seqlen: 16384, nsamples: 1 };
    const budgets = [30, 12, 7.5].map((budget) => policyOf("llama-3.2-1b", budget, long));
    expect(budgets).toEqual(["resident recompute 1", "streamed recompute 1", "streamed recompute 1 spill"]);
  });

  it("does not recompute where there is no backward pass, and reads weights once where no sample is looked at", () => {
    expect(policyOf("llama-3.2-1b", 2, { backward: false, teacher: undefined })).toBe("streamed 8");
    expect(policyOf("llama-3.2-1b", 64, { backward: false, nsamples: 0 })).toBe("streamed 1");
  });

  it("counts a teacher that runs, and one of its own", () => {
    const peak = (teacher: SweepSize["teacher"]) =>
      planMemory(sizeOf("llama-3.2-1b", { teacher }), 64 * GIB).peakBytes;
    expect(peak("shared") - peak("none")).toBe(4 * 805_306_368);
    expect(peak("other") - peak("none")).toBe(4 * 1_235_814_400);
  });

  it("is for Llama-3.2-1B and two samples well within 3 GiB", () => {
    const plan = planMemory(sizeOf("llama-3.2-1b", { nsamples: 2 }), 3 * GIB);
    expect(plan.peakBytes).toBeLessThan(2.5 * GIB);
    expect(describePlan(plan)).toBe(
      `memory: at most about ${formatByteSize(plan.peakBytes)}; weights are read block by block for 2 samples at a time, activations are recomputed`,
    );
  });
});

describe("leastMemory", () => {
  it("is enough, and a little less is not", () => {
    for (const name of Object.keys(SHAPES)) {
      const least = leastMemory(sizeOf(name));
      expect(planMemory(sizeOf(name), least).peakBytes).toBeLessThanOrEqual(least);
      expect(planMemory(sizeOf(name), 0.99 * least).peakBytes).toBeGreaterThan(0.99 * least);
    }
  });
});

describe("describePlan", () => {
  it("says what is kept where", () => {
    const size = sizeOf("llama-3.2-1b");
    expect(describePlan(planMemory(size, 64 * GIB))).toMatch(
      /^memory: at most about .* GiB; weights stay in memory$/,
    );
    expect(describePlan(planMemory({ ...size, seqlen: 16384 }, 7.5 * GIB))).toMatch(
      /; weights are read block by block, activations are recomputed, inputs of blocks go to a file$/,
    );
  });
});

describe("poolBytesFor", () => {
  it("is a fifth of a small budget, and no more than the weights of a block are worth of a large one", () => {
    const size = sizeOf("llama-2-7b", { seqlen: 0 });
    expect(poolBytesFor(GIB, size)).toBe(Math.floor(GIB / 5));
    expect(poolBytesFor(64 * GIB, size)).toBe(1.5 * 202_383_488 * 4);
    expect(poolBytesFor(64 * GIB, sizeOf("smollm2-135m", { seqlen: 0 }))).toBe(512 * 2 ** 20);
  });

  it("holds what a sample's backward pass wants, where there is room for all of it", () => {
    const size = sizeOf("smollm2-135m", { seqlen: 1024 });
    const saved = 30 * 1024 * (3 * 1536 + 6 * 576) * 4;
    expect(poolBytesFor(5 * saved, size)).toBe(saved);
    expect(poolBytesFor(5 * saved - 1, size)).toBe(512 * 2 ** 20);
    // 7B: 2.5 GiB of them, and 25 GiB of weights
    const large = sizeOf("llama-2-7b", { seqlen: 512 });
    expect(poolBytesFor(28 * GIB, large)).toBe(poolBytesFor(28 * GIB, { ...large, seqlen: 0 }));
    expect(poolBytesFor(64 * GIB, large)).toBeGreaterThan(poolBytesFor(64 * GIB, { ...large, seqlen: 0 }));
  });
});
