import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isSdmPruneError, Rng } from "@sdmprune/core";
import { editConfig } from "@sdmprune/model-io";
import { openCheckpoint, openTokenizer, writeCheckpoint } from "@sdmprune/model-io/node";
import { describe, expect, it } from "vitest";
import { type CheckpointFiles, fuzzCheckpoint, naiveTensors } from "./fuzz-checkpoint.js";
import { mutate, type Mutation, MUTATION_KINDS } from "./mutations.js";
import { temporaryFolder } from "./temporary-folder.js";

const CASES_PER_KIND = 60; // times 9 kinds: 540
const TEXT = "the fox finds 12 apples, é 🦊 <s>";

/** What a program does with a checkpoint: open, read everything, write an edited copy, use the tokenizer. */
async function useCheckpoint(dir: string, out: string) {
  const checkpoint = await openCheckpoint(dir);
  const tensors = new Map<string, Uint8Array>();
  for (const name of checkpoint.tensorNames()) {
    tensors.set(name, await checkpoint.read(name));
    await checkpoint.readFloat32(name).catch((error: unknown) => {
      if (!isSdmPruneError(error)) throw error; // a type without a float32 form has a clear error
    });
  }
  const tokenizer = await openTokenizer(dir);
  tokenizer.decode(tokenizer.encode(TEXT));
  await writeCheckpoint(out, {
    config: editConfig(checkpoint.configText, { intermediate_size: 7 }),
    tensors: checkpoint
      .tensorNames()
      .map((name) => ({ ...checkpoint.info(name), data: () => checkpoint.read(name) })),
    carryOverFrom: checkpoint,
  });
  return { tensors, config: checkpoint.config };
}

/** Checks the copy against the naive reading of the damaged files; throws where they differ. */
async function checkCopy(
  files: CheckpointFiles,
  { tensors, config }: Awaited<ReturnType<typeof useCheckpoint>>,
  out: string,
): Promise<void> {
  const copy = await openCheckpoint(out);
  const dropped = config.tie_word_embeddings === true ? ["lm_head.weight"] : [];
  for (const [name, bytes] of naiveTensors(files)) {
    expect(Buffer.from(tensors.get(name)!).equals(bytes), name).toBe(true);
    if (!dropped.includes(name)) expect(Buffer.from(await copy.read(name)).equals(bytes), name).toBe(true);
  }
  const text = new TextDecoder().decode(files["config.json"]);
  expect(config).toEqual(JSON.parse(text));
  expect(copy.config).toEqual({ ...config, intermediate_size: 7 });
}

/** One case: "right" or the message of a clear error; anything else fails the test. */
async function run({ kind, what, files }: Mutation, root: string): Promise<string> {
  const place = join(root, "a", "b");
  const dir = join(place, "in");
  await mkdir(dir, { recursive: true });
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(dir, name), bytes);
  const before = await readdir(root, { recursive: true });
  const start = performance.now();
  try {
    await checkCopy(files, await useCheckpoint(dir, join(place, "out")), join(place, "out"));
    return "right";
  } catch (error) {
    if (!isSdmPruneError(error)) throw new Error(`${kind}, ${what}: got no error of ours`, { cause: error });
    expect(error.message, what).not.toMatch(/[\n\r]/);
    expect(error.message.length, what).toBeLessThan(800);
    expect(error.message, what).toContain(dir);
    return error.message;
  } finally {
    expect(performance.now() - start, what).toBeLessThan(5000);
    await rm(join(place, "out"), { recursive: true, force: true });
    expect((await readdir(root, { recursive: true })).sort(), what).toEqual(before.sort());
    await rm(join(root, "a"), { recursive: true });
  }
}

describe("a damaged checkpoint gives a clear error or a right result, and no file outside the output", () => {
  it.each(MUTATION_KINDS)("%s", async (kind) => {
    const root = await temporaryFolder();
    const good = await fuzzCheckpoint();
    const outcomes: string[] = [];
    for (let i = 0; i < CASES_PER_KIND; i++) {
      outcomes.push(await run(mutate(kind, good, new Rng(i, kind)), root));
    }
    const right = outcomes.filter((outcome) => outcome === "right").length;
    if (kind === "NaN weights") expect(right).toBe(CASES_PER_KIND); // passed through, bit for bit
    if (kind === "names that lead outside" || kind === "overlapping offsets") expect(right).toBeLessThan(10);
  });

  it("accepts the checkpoint before it is damaged", async () => {
    const files = await fuzzCheckpoint();
    expect(await run({ kind: "none", what: "nothing", files }, await temporaryFolder())).toBe("right");
  });
});
