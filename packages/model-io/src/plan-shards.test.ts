import { describe, expect, it } from "vitest";
import { planShards } from "./plan-shards.js";

const tensor = (name: string, numBytes: number) => ({ name, dtype: "U8" as const, shape: [numBytes] });

describe("planShards", () => {
  it("keeps everything in model.safetensors while it fits", () => {
    const plan = planShards([tensor("a", 5), tensor("b", 5)], 10);
    expect(plan.files.map(({ name }) => name)).toEqual(["model.safetensors"]);
    expect(plan.index).toBeUndefined();
  });

  it("begins a new file when a tensor does not fit, and never splits one", () => {
    const plan = planShards([tensor("b", 6), tensor("a", 4), tensor("huge", 50), tensor("c", 1)], 10);
    expect(plan.files.map(({ name, tensors }) => [name, tensors.map((t) => t.name)])).toEqual([
      ["model-00001-of-00003.safetensors", ["b", "a"]],
      ["model-00002-of-00003.safetensors", ["huge"]],
      ["model-00003-of-00003.safetensors", ["c"]],
    ]);
    expect(plan.index).toBe(
      `${JSON.stringify(
        {
          metadata: { total_size: 61 },
          weight_map: {
            a: "model-00001-of-00003.safetensors",
            b: "model-00001-of-00003.safetensors",
            c: "model-00003-of-00003.safetensors",
            huge: "model-00002-of-00003.safetensors",
          },
        },
        null,
        2,
      )}\n`,
    );
  });

  it("refuses a limit below one byte", () => {
    expect(() => planShards([], 0)).toThrow("maxShardBytes: expected at least 1, got 0.");
    expect(() => planShards([], NaN)).toThrow("maxShardBytes");
  });
});
