import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { definePlugin, UsageError } from "@sdmprune/core";
import { tinyLlama } from "@sdmprune/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder, tinyHost, withRun, writeInputIds } from "../test/tiny-run.js";
import { mergeScores } from "./merge-scores.js";
import { score, scoreShard, type ScoreRequest } from "./score.js";

describe("mergeScores", () => {
  const folder = temporaryFolder(afterAll);
  let request: Omit<ScoreRequest, "output">;
  const at = (name: string): string => join(folder, name);
  const shard = (
    index: number,
    count: number,
    more: Partial<ScoreRequest> = {},
    seed = 0,
  ): Promise<string> => {
    const output = at(`${index}-of-${count}-${Object.keys(more).join("-")}${seed}.safetensors`);
    const ofShard = { ...request, ...more, output, shard: { index, count }, force: true };
    return withRun((run) => scoreShard(run, ofShard), { seed }).then(() => output);
  };
  const merge = (shards: readonly string[], model?: string): Promise<unknown> =>
    withRun((run) =>
      mergeScores(run, { shards, output: at("merged"), force: true, ...(model && { model }) }),
    );

  beforeAll(async () => {
    await tinyLlama({ dtype: "BF16" }).write(at("model"));
    const source = writeInputIds(at("ids.jsonl"), { rows: 5 });
    request = {
      model: at("model"),
      importances: ["wanda", "taylor", "self-distillation", "magnitude", "random"],
      calibration: { source, nsamples: 5 },
    };
  });

  it.each([1, 2, 3, 5])(
    "makes of %i shards the bytes of one run, in whatever order they come",
    async (count) => {
      await withRun((run) => score(run, { ...request, output: at("whole"), force: true }));
      const shards: string[] = [];
      for (let index = count; index >= 1; index--) shards.push(await shard(index, count));
      await merge(shards, at("model"));
      expect(readFileSync(at("merged")).equals(readFileSync(at("whole")))).toBe(true);
    },
  );

  it("needs no model where the sums are the scores", async () => {
    const importances = ["taylor"];
    await withRun((run) => score(run, { ...request, importances, output: at("whole"), force: true }));
    await merge([await shard(1, 2, { importances }), await shard(2, 2, { importances })]);
    expect(readFileSync(at("merged")).equals(readFileSync(at("whole")))).toBe(true);
  });

  it("says which shards are missing, given twice, or of another run", async () => {
    const [first, second] = [await shard(1, 3), await shard(2, 3)];
    await expect(merge([second])).rejects.toThrow(
      "merge-scores: expected all 3 shards, got 1; missing: 1/3, 3/3.",
    );
    await expect(merge([first, second, first])).rejects.toThrow(
      `${first}: expected every shard once, got shard 1 of 3 again after ${first}.`,
    );
    await expect(merge([first, await shard(2, 2)])).rejects.toThrow(
      "expected one of 3 shards, as " + first + " is, got one of 2.",
    );
    await expect(merge([first, await shard(2, 3, {}, 1)])).rejects.toThrow(
      `expected a shard of the same run as ${first}, got one that differs in options, seed, calibration.`,
    );
    await expect(merge([])).rejects.toThrow("merge-scores: expected the shards of a score, got none.");
  });

  it("asks for the model where a criterion looks at weights, and refuses another", async () => {
    const shards = [await shard(1, 1)];
    await expect(merge(shards)).rejects.toThrow(
      'merge-scores: "wanda" needs the weights of the model that was scored. Give it with --model.',
    );
    await tinyLlama({ seed: 1 }).write(at("other"));
    await expect(merge(shards, at("other"))).rejects.toThrow(
      `model: expected the model that was scored, got ${at("other")}, which has other contents.`,
    );
  });

  it("refuses files that are no shards, and a shard is refused where scores are wanted", async () => {
    await withRun((run) => score(run, { ...request, output: at("whole"), force: true }));
    await expect(merge([at("whole")])).rejects.toThrow(
      `${at("whole")}: expected a shard that "score --shard" wrote, got a file without "sdmprune_score_shard" in its metadata.`,
    );
    writeFileSync(at("text"), "no safetensors");
    await expect(merge([at("text")])).rejects.toThrow(at("text"));
  });
});

describe("scoreShard", () => {
  it("refuses more shards than windows, criteria without data, and criteria with a state", async () => {
    const folder = temporaryFolder();
    const at = (name: string): string => join(folder, name);
    await tinyLlama().write(at("model"));
    const calibration = { source: writeInputIds(at("ids.jsonl")), nsamples: 3 };
    const stateful = definePlugin({
      name: "stateful",
      register: ({ importances }) =>
        importances.register("stateful", () => ({
          needs: { activations: true },
          observe: () => {},
          isStateful: true,
        })),
    });
    const scoring = (importance: string, index: number, count: number): Promise<unknown> => {
      const request = { model: at("model"), importances: [importance], calibration, output: at("s") };
      const body = { ...request, shard: { index, count } };
      return withRun((run) => scoreShard(run, body), { host: tinyHost().use(stateful) });
    };
    await expect(scoring("taylor", 1, 4)).rejects.toThrow(UsageError);
    await expect(scoring("taylor", 1, 4)).rejects.toThrow(
      "shard: expected at least 4 windows for 4 shards, got 3. Use fewer shards, or score without.",
    );
    await expect(scoring("magnitude", 1, 2)).rejects.toThrow("got criteria that look at none.");
    await expect(scoring("taylor", 3, 2)).rejects.toThrow("shard: expected 1/2 to 2/2, got 3.");
    await expect(scoring("stateful", 1, 2)).rejects.toThrow(
      'importance "stateful": keeps more between windows than sums of increments',
    );
  });
});
