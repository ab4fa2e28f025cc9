import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Host, Rng, type ProgressEvent, type Run } from "@sdmprune/core";
import { importancePlugin } from "@sdmprune/importance";
import { modelsPlugin } from "@sdmprune/models";
import { pruningPlugin } from "@sdmprune/pruning";
import { tensorPlugin } from "@sdmprune/tensor";
import { onTestFinished } from "vitest";

/** A host with all built-in extensions, on the plain JavaScript backend. */
export function tinyHost(): Host {
  return [tensorPlugin, modelsPlugin, importancePlugin, pruningPlugin].reduce(
    (host, plugin) => host.use(plugin),
    new Host(),
  );
}

/** Runs `body` as one run; `messages` are what it told its listener. */
export async function withRun<R>(
  body: (run: Run) => Promise<R>,
  { seed = 0, host = tinyHost(), signal }: { seed?: number; host?: Host; signal?: AbortSignal } = {},
): Promise<{ result: R; messages: string[]; events: ProgressEvent[] }> {
  const events: ProgressEvent[] = [];
  const run = host.createRun({ seed, signal, progress: (event) => events.push(event) });
  try {
    const result = await body(run);
    const messages = events.flatMap((event) => ("message" in event ? [event.message] : []));
    return { result, messages, events };
  } finally {
    await run.dispose();
  }
}

/** An empty folder that is deleted when the test, or the file where none runs, ends. */
export function temporaryFolder(whenDone: (remove: () => void) => void = onTestFinished): string {
  const folder = mkdtempSync(join(tmpdir(), "recipes-"));
  whenDone(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Every file of a folder by relative path, but `run.json`, which holds clock and paths. */
export function filesOf(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  return new Map(
    names
      .filter((name) => name !== "run.json" && statSync(join(folder, name)).isFile())
      .map((name) => [name, readFileSync(join(folder, name)).toString("latin1")]),
  );
}

/** Writes rows of seeded random token ids, a calibration file that needs no tokenizer. */
export function writeInputIds(
  path: string,
  { rows = 3, length = 12, vocabSize = 258, seed = 5 } = {},
): string {
  const rng = new Rng(seed, "input-ids");
  const lines = Array.from({ length: rows }, () =>
    JSON.stringify({ input_ids: Array.from({ length }, () => rng.integer(vocabSize)) }),
  );
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}
