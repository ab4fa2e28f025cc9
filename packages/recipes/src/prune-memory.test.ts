import { readdirSync } from "node:fs";
import { join } from "node:path";
import { UsageError } from "@sdmprune/core";
import { activateCpuBackend, tinyLlama } from "@sdmprune/test-utils";
import { tf } from "@sdmprune/tensor";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { filesOf, temporaryFolder, withRun, writeInputIds } from "../test/tiny-run.js";
import { openModel } from "./open-model.js";
import { leastMemory, type SweepSize } from "./plan-memory.js";
import { prune } from "./prune.js";
import type { PruneRequest } from "./prune-request.js";
import { score } from "./score.js";

describe("prune with a memory limit", () => {
  const folder = temporaryFolder(afterAll);
  const at = (name: string): string => join(folder, name);
  const pruning = (name: string, more: Partial<PruneRequest> = {}) =>
    withRun((run) =>
      prune(run, {
        model: at("model"),
        output: at(name),
        width: 16,
        calibration: { source: at("ids.jsonl"), nsamples: 5 },
        ...more,
      }),
    );

  /** The least memory for a run, to the byte: there the tiny model's weights are read block by block. */
  let leanest: (more: Partial<SweepSize>) => string;

  beforeAll(async () => {
    await activateCpuBackend();
    await tinyLlama({ dtype: "BF16", numLayers: 6, intermediateSize: 96 }).write(at("model"));
    writeInputIds(at("ids.jsonl"), { rows: 5 });
    const { result } = await withRun((run) => openModel(run, at("model")));
    const { config, shape } = result;
    leanest = (more) => {
      const size: SweepSize = { config, shape, seqlen: 12, nsamples: 5, backward: true, teacher: "none" };
      return `${leastMemory({ ...size, ...more })}b`;
    };
  });

  it.each([
    ["sdmprune", {}, {}],
    ["sdmprune", { stages: 1 }, {}],
    ["taylor", {}, { teacher: undefined }],
    ["wanda", {}, { backward: false }],
    ["wanda", { propagate: true }, { backward: false, holdsHidden: true }],
    ["magnitude", {}, { nsamples: 0 }],
  ])(
    "writes the same bytes by %s %j, whatever the limit, and leaves nothing else",
    async (method, methodOptions, size) => {
      const before = tf.memory().numTensors;
      const request = { method, methodOptions, force: true };
      await pruning("plain", request);
      const { messages } = await pruning("lean", { ...request, memory: leanest(size) });
      expect(filesOf(at("lean"))).toEqual(filesOf(at("plain")));
      const said = messages.filter((message) => message.startsWith("memory: "));
      expect(said.length).toBeGreaterThan(0);
      expect(said[0]).toMatch(/^memory: at most about \d{3} MiB; weights are read block by block/);
      expect(tf.memory().numTensors).toBe(before);
      expect(readdirSync(folder).sort()).toEqual(["ids.jsonl", "lean", "model", "plain"]);
    },
  );

  it("takes the memory that is free where the user says auto, and says nothing where the user says nothing", async () => {
    const { messages } = await pruning("asked", { method: "taylor", memory: "auto" });
    expect(messages.find((message) => message.startsWith("memory: "))).toMatch(/; weights stay in memory$/);
    const quiet = await pruning("quiet", { method: "taylor" });
    expect(quiet.messages.filter((message) => message.startsWith("memory"))).toEqual([]);
    expect(filesOf(at("quiet"))).toEqual(filesOf(at("asked")));
  });

  it("says how much it would take at least", async () => {
    const tooLittle = pruning("none", { memory: "100MiB" });
    await expect(tooLittle).rejects.toThrow(UsageError);
    await expect(tooLittle).rejects.toThrow(
      /^memory: expected at least \d{3} MiB for this model and samples of 12 tokens, got 100 MiB\. Give more, or use shorter samples\.$/,
    );
    await expect(pruning("none", { memory: "lots" })).rejects.toThrow(
      'memory: expected a size such as 4GiB or 800MB, got "lots".',
    );
  });

  it("gives score the same bytes, too, also with a teacher of its own", async () => {
    await tinyLlama({ seed: 7 }).write(at("teacher"));
    const request = {
      model: at("model"),
      importances: ["self-distillation", "taylor", "wanda", "magnitude"],
      calibration: { source: at("ids.jsonl"), nsamples: 5 },
    };
    for (const more of [{}, { teacher: at("teacher") }]) {
      const scores = await Promise.all(
        [undefined, leanest({})].map(async (memory, i) => {
          const output = at(`scores/${i}`);
          const { result } = await withRun((run) =>
            score(run, { ...request, ...more, output, force: true, ...(memory && { memory }) }),
          );
          return result.scores;
        }),
      );
      expect(scores[1]).toEqual(scores[0]);
    }
  });
});
