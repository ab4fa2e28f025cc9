import { tinyLlama } from "@sdmprune/test-utils";
import { tf } from "@sdmprune/tensor";
import { expect, it } from "vitest";
import { join } from "node:path";
import { temporaryFolder, withRun } from "../test/tiny-run.js";
import { measureLatency, openLatencyProgram, type LatencyProgram } from "./latency.js";

/** A program whose repetitions take the given seconds; the first, which warms up, takes 100. */
function scripted(seconds: readonly number[], log: string[], name: string): LatencyProgram {
  let turn = -1;
  return {
    repeat: async () => {
      log.push(name);
      const prefillSeconds = turn < 0 ? 100 : seconds[turn]!;
      turn++;
      return { prefillSeconds, decodeSeconds: prefillSeconds * 2 };
    },
    peakBytes: () => 1000 * seconds[0]!,
    fileBytes: () => 10 * seconds[0]!,
    end: () => void log.push(`end ${name}`),
  };
}

it("lets the models take turns, drops the first round, and gives medians with ratios to the first model", async () => {
  const log: string[] = [];
  const times: Record<string, number[]> = { dense: [4, 40, 4], pruned: [2, 2, 20] };
  const request = { models: ["dense", "pruned"], promptTokens: 8, decodeTokens: 4, batch: 2, repetitions: 3 };
  const { result } = await withRun((run) =>
    measureLatency(run, request, async ({ model }) => scripted(times[model]!, log, model)),
  );
  expect(log).toEqual([
    ...Array.from({ length: 4 }, () => ["dense", "pruned"]).flat(),
    "end dense",
    "end pruned",
  ]);
  expect(result.models.map(({ samples: _, ...one }) => one)).toEqual([
    {
      model: "dense",
      prefillTokensPerSecond: 4,
      decodeTokensPerSecond: 1,
      peakBytes: 4000,
      fileBytes: 40,
      ratios: { prefill: 1, decode: 1, peak: 1, file: 1 },
    },
    {
      model: "pruned",
      prefillTokensPerSecond: 8,
      decodeTokensPerSecond: 2,
      peakBytes: 2000,
      fileBytes: 20,
      ratios: { prefill: 2, decode: 2, peak: 0.5, file: 0.5 },
    },
  ]);
});

it("times a model, leaves no tensor behind, and refuses more tokens than it has positions", async () => {
  const model = join(temporaryFolder(), "model");
  await tinyLlama().write(model);
  await withRun(async (run) => {
    const program = await openLatencyProgram(run, { model, promptTokens: 6, decodeTokens: 3, batch: 2 });
    await program.repeat();
    const before = tf.memory().numTensors;
    const sample = await program.repeat();
    expect(tf.memory().numTensors).toBe(before);
    expect(sample.prefillSeconds).toBeGreaterThan(0);
    expect(sample.decodeSeconds).toBeGreaterThan(0);
    expect(await program.fileBytes()).toBeGreaterThan(8048 * 4);
    await program.end();
    await expect(openLatencyProgram(run, { model, promptTokens: 100000 })).rejects.toThrow(
      "the model's positions, got 100000 + 64. Ask for fewer.",
    );
  });
});
