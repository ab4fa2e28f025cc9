import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isSdmPruneError, Rng, type Host } from "@sdmprune/core";
import { openCheckpoint } from "@sdmprune/model-io/node";
import { planShards, serializeSafetensors } from "@sdmprune/model-io";
import { tinyLlama } from "@sdmprune/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { INDEX_NAME, naiveTensors, type CheckpointFiles } from "../../model-io/test/fuzz-checkpoint.js";
import { mutate, MUTATION_KINDS, type Mutation } from "../../model-io/test/mutations.js";
import { inspect, prune } from "../src/index.js";
import { temporaryFolder, tinyHost, withRun } from "./tiny-run.js";

const CASES_PER_KIND = 60; // times 9 kinds: 540
const WIDTH = 5;
const TEXT = "The fox finds 12 apples, é 🦊. ".repeat(8);

let good: CheckpointFiles;
let host: Host;

beforeAll(async () => {
  host = tinyHost();
  const folder = temporaryFolder(afterAll);
  await tinyLlama({ tied: false, intermediateSize: 8, dtype: "BF16" }).write(folder);
  const checkpoint = await openCheckpoint(folder);
  // Two shards of several tensors each.
  const part = (name: string): number => (/lm_head|layers\.0/.test(name) ? 0 : 1);
  const tensors = [...checkpoint.tensorNames()]
    .sort((a, b) => part(a) - part(b))
    .map((name) => ({ ...checkpoint.info(name), data: () => checkpoint.read(name) }));
  const { files, index } = planShards(tensors, 12_000);
  const text = ["config.json", "tokenizer.json", "tokenizer_config.json"];
  good = {
    ...Object.fromEntries(text.map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))])),
    [INDEX_NAME]: new TextEncoder().encode(index),
    ...Object.fromEntries(
      await Promise.all(
        files.map(async (file) => [file.name, await serializeSafetensors(file.tensors)] as const),
      ),
    ),
  };
});

/** What a user does with a folder: look at it, and prune it, in turn without and with data. */
async function useFolder(model: string, output: string, text: string, method: string): Promise<void> {
  await withRun(
    async (run) => {
      await inspect(run, model);
      await prune(run, {
        ...{ model, output, method, width: WIDTH },
        calibration: { source: text, nsamples: 1, seqlen: 8 },
      });
    },
    { host },
  );
}

/** Checks the pruned folder against the naive reading of the damaged one. */
async function checkPruned(files: CheckpointFiles, output: string): Promise<void> {
  const pruned = await openCheckpoint(output);
  const manifest = JSON.parse(readFileSync(join(output, "pruning_manifest.json"), "utf8")) as {
    layers: { kept: number[] }[];
  };
  const source = naiveTensors(files);
  expect(JSON.parse(readFileSync(join(output, "config.json"), "utf8"))).toMatchObject({
    intermediate_size: WIDTH,
  });
  for (const [layer, { kept }] of manifest.layers.entries()) {
    const name = `model.layers.${layer}.mlp.up_proj.weight`;
    const rowBytes = pruned.info(name).byteLength / WIDTH;
    const rows = kept.map((n) => source.get(name)!.subarray(n * rowBytes, (n + 1) * rowBytes));
    expect(Buffer.concat(rows).equals(await pruned.read(name)), name).toBe(true);
  }
}

/** One case: "right" or the message of a clear error; anything else fails the test. */
async function run({ kind, what, files }: Mutation, method: string, root: string): Promise<string> {
  const place = join(root, "a", "b");
  const [model, output, text] = [join(place, "in"), join(place, "out"), join(place, "text.txt")];
  mkdirSync(model, { recursive: true });
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(model, name), bytes);
  writeFileSync(text, TEXT);
  const before = readdirSync(root, { recursive: true }).sort();
  const start = performance.now();
  try {
    await useFolder(model, output, text, method);
    await checkPruned(files, output);
    return "right";
  } catch (error) {
    if (!isSdmPruneError(error))
      throw new Error(`${kind}, ${what}, ${method}: got no error of ours`, { cause: error });
    expect(error.message, what).not.toMatch(/[\n\r]/);
    expect(error.message.length, what).toBeLessThan(800);
    expect(existsSync(output), `${what}: no folder after an error`).toBe(false);
    return error.message;
  } finally {
    expect(performance.now() - start, what).toBeLessThan(10_000);
    rmSync(output, { recursive: true, force: true });
    expect(readdirSync(root, { recursive: true }).sort(), what).toEqual(before);
    rmSync(join(root, "a"), { recursive: true });
  }
}

describe("a damaged model is pruned right or gives a clear error, and no file outside the output", () => {
  it.each(MUTATION_KINDS)("%s", async (kind) => {
    const root = temporaryFolder();
    const outcomes: string[] = [];
    for (let i = 0; i < CASES_PER_KIND; i++) {
      outcomes.push(
        await run(mutate(kind, good, new Rng(i, kind)), i % 2 === 0 ? "magnitude" : "taylor", root),
      );
    }
    const right = outcomes.filter((outcome) => outcome === "right").length;
    if (kind === "names that lead outside" || kind === "overlapping offsets") expect(right).toBeLessThan(5);
    if (kind === "NaN weights") {
      const nonFinite = outcomes.filter((outcome) => /NaN|Infinity|not finite|overflow/i.test(outcome));
      expect(nonFinite.length + right).toBe(CASES_PER_KIND);
      expect(nonFinite.length).toBeGreaterThan(CASES_PER_KIND / 4);
    }
  });

  it("prunes the model before it is damaged", async () => {
    const undamaged = { kind: "none", what: "nothing", files: good };
    for (const method of ["magnitude", "taylor"]) {
      expect(await run(undamaged, method, temporaryFolder())).toBe("right");
    }
  });
});
