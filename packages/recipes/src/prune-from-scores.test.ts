import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { definePlugin, TOKENS } from "@sdmprune/core";
import { modelsPlugin } from "@sdmprune/models";
import { importancePlugin } from "@sdmprune/importance";
import { pruningPlugin } from "@sdmprune/pruning";
import { Host } from "@sdmprune/core";
import { tinyLlama } from "@sdmprune/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { filesOf, temporaryFolder, withRun, writeInputIds } from "../test/tiny-run.js";
import { prune, score, type PruneRequest, type ScoreRequest } from "./index.js";

let root: string;
let model: string;
let calibration: { source: string; nsamples: number };

beforeAll(async () => {
  root = temporaryFolder(afterAll);
  model = join(root, "model");
  await tinyLlama().write(model);
  calibration = { source: writeInputIds(join(root, "ids.jsonl")), nsamples: 3 };
});

let counter = 0;

async function scoreTiny(request: Partial<ScoreRequest>, seed = 0): Promise<string> {
  const output = join(root, `scores-${counter++}.safetensors`);
  await withRun((run) => score(run, { model, importances: ["taylor"], output, calibration, ...request }), {
    seed,
  });
  return output;
}

async function pruneTiny(request: Partial<PruneRequest>, seed = 0): Promise<Map<string, string>> {
  const output = join(root, `out-${counter++}`);
  await withRun((run) => prune(run, { model, output, width: 12, calibration, ...request }), { seed });
  return filesOf(output);
}

/** Prunes from a file in a host without any engine, and gives no calibration. */
async function pruneFrom(scores: string, request: Partial<PruneRequest> = {}): Promise<Map<string, string>> {
  const output = join(root, `out-${counter++}`);
  const backendless = definePlugin({
    name: "no-engine",
    register: ({ backends }) =>
      backends.register("none", () => {
        throw new Error("an engine was started");
      }),
  });
  const host = [backendless, modelsPlugin, importancePlugin, pruningPlugin].reduce(
    (h, p) => h.use(p),
    new Host(),
  );
  const { messages } = await withRun(
    async (run) => {
      await prune(run, { model, output, width: 12, scores, ...request });
      expect(run.services.isRegistered(TOKENS.backend)).toBe(false);
    },
    { host },
  );
  expect(messages.join("\n")).not.toContain("backend");
  return filesOf(output);
}

describe("prune, from a score file", () => {
  it("gives the bytes of a run that scores by itself, manifest and all, from a method's own file", async () => {
    const direct = await pruneTiny({}, 3);
    const own = join(root, `out-${counter - 1}`, "pruning/scores.safetensors");
    expect(await pruneFrom(own)).toEqual(direct);
    // another ratio needs no forward pass either
    const narrow = await pruneTiny({ width: 7 }, 3);
    expect((await pruneFrom(own, { width: 7 })).get("model.safetensors")).toBe(
      narrow.get("model.safetensors"),
    );
  });

  it("gives the weights of a run that scores by itself, from one file of several criteria", async () => {
    const file = await scoreTiny({ importances: ["magnitude", "taylor", "wanda", "random"] }, 4);
    for (const method of ["magnitude", "taylor", "wanda", "random"]) {
      const direct = await pruneTiny({ method }, 4);
      const again = await pruneFrom(file, { method });
      for (const name of direct.keys()) expect(again.get(name), `${method}: ${name}`).toBe(direct.get(name));
    }
  });

  it("prunes by SDMPrune in one stage from self-distillation scores, with their alpha and tau", async () => {
    const file = await scoreTiny({ importances: ["self-distillation"], options: { alpha: 0.7, tau: 0.5 } });
    const direct = await pruneTiny({ methodOptions: { stages: 1, alpha: 0.7, tau: 0.5 } });
    expect(await pruneFrom(file)).toEqual(direct);
    await expect(pruneFrom(file, { methodOptions: { alpha: 0.1 } })).rejects.toThrow(
      `${file}: expected scores of "self-distillation" with alpha 0.1, got some with alpha 0.7.`,
    );
  });

  it("refuses scores of a loss that the method does not have", async () => {
    const file = await scoreTiny({ importances: ["self-distillation"], options: { loss: "entropy" } });
    await expect(pruneFrom(file)).rejects.toThrow('with loss "blend", got some with loss "entropy"');
    expect((await pruneFrom(file, { method: "self-distillation" })).size).toBe(8);
  });

  it("refuses scores that depend on other widths", async () => {
    await pruneTiny({ method: "wanda", methodOptions: { propagate: true } });
    const own = join(root, `out-${counter - 1}`, "pruning/scores.safetensors");
    expect((await pruneFrom(own, { method: "wanda" })).size).toBe(8);
    await expect(pruneFrom(own, { method: "wanda", width: 5 })).rejects.toThrow(
      'expected scores of "wanda" with propagateWidths [5,5], got some with propagateWidths [12,12].',
    );
  });

  it("refuses scores of another model, and of a criterion that the file lacks", async () => {
    const other = join(root, "other");
    await tinyLlama({ seed: 1 }).write(other);
    const file = await scoreTiny({ model: other });
    await expect(pruneFrom(file, { method: "taylor" })).rejects.toThrow(
      new RegExp(`expected scores of ${model}, got those of another model \\(sha256 [0-9a-f]{12}\\)`),
    );
    await expect(pruneFrom(await scoreTiny({}), { method: "wanda" })).rejects.toThrow(
      'expected scores of "wanda" for stage 1, got taylor.',
    );
    await expect(pruneFrom(join(model, "model.safetensors"), { method: "taylor" })).rejects.toThrow(
      "Is it a score file?",
    );
  });
});

describe("score", () => {
  it("writes the same bytes for the same seed, and scores as a sweep of each criterion alone does", async () => {
    const together = await scoreTiny({ importances: ["taylor", "wanda"] });
    expect(
      readFileSync(together).equals(readFileSync(await scoreTiny({ importances: ["taylor", "wanda"] }))),
    ).toBe(true);
    const text = readFileSync(together).toString("latin1");
    for (const name of ["taylor/layers.0", "taylor/layers.1", "wanda/layers.0", "wanda/layers.1"]) {
      expect(text).toContain(`"${name}":{"dtype":"F64","shape":[24]`);
    }
    const alone = await pruneTiny({ method: "wanda" });
    expect((await pruneFrom(together, { method: "wanda" })).get("model.safetensors")).toBe(
      alone.get("model.safetensors"),
    );
  });

  it("compares with a teacher of the same vocabulary", async () => {
    const teacher = join(root, "teacher");
    await tinyLlama({ seed: 2, intermediateSize: 32 }).write(teacher);
    const importances = ["self-distillation"];
    const own = readFileSync(await scoreTiny({ importances }));
    expect(readFileSync(await scoreTiny({ importances, teacher })).equals(own)).toBe(false);
    const small = join(root, "small-vocabulary");
    await tinyLlama({ vocabSize: 100 }).write(small);
    await expect(scoreTiny({ importances, teacher: small })).rejects.toThrow(
      "teacher: expected the model's vocabulary of 258 tokens, got 100.",
    );
  });

  it("protects an existing file, and needs calibration only for criteria that look at data", async () => {
    const existing = join(root, "existing.safetensors");
    writeFileSync(existing, "precious");
    await expect(scoreTiny({ output: existing })).rejects.toThrow("expected nothing there yet, got a file.");
    await scoreTiny({
      output: existing,
      force: true,
      importances: ["random", "magnitude"],
      calibration: undefined,
    });
    expect(readFileSync(existing).toString("latin1")).toContain("magnitude/layers.1");
    await expect(scoreTiny({ calibration: undefined })).rejects.toThrow(
      'importance "taylor" needs calibration text. Give it with --calibration FILE.',
    );
    await expect(scoreTiny({ options: { alpha: 1 } })).rejects.toThrow("taylor: no such option as alpha.");
    await expect(scoreTiny({ importances: ["taylr"] })).rejects.toThrow('Did you mean "taylor"?');
  });
});
