import { access, mkdir, mkdtemp, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateCheckpoint, SHAPES } from "../../tools/generate-checkpoint.js";
import { currentCommit } from "../speed/runner/commit.js";
import { describeMachine } from "../speed/runner/machine.js";

/** A folder for checkpoints of gigabytes: the one that was named, which is kept, or a temporary one. */
export async function withWorkspace<R>(
  named: string | undefined,
  body: (folder: string) => Promise<R>,
): Promise<R> {
  if (named !== undefined) {
    await mkdir(named, { recursive: true });
    return body(named);
  }
  const folder = await mkdtemp(join(tmpdir(), "sdmprune-bench-"));
  try {
    return await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A checkpoint of this shape with random BF16 weights, and windows beside it; made if it is not there. */
export async function checkpointOfShape(
  workspace: string,
  shape: string,
  { seqlen, windows = 16 }: { seqlen: number; windows?: number },
): Promise<{ model: string; windows: string }> {
  const model = join(workspace, `${shape}-${seqlen}`);
  const isThere = await access(join(model, "input-ids.jsonl")).then(
    () => true,
    () => false,
  );
  if (!isThere) {
    console.error(`Writing random weights of the shape ${shape} to ${model}.`);
    await generateCheckpoint(model, { config: SHAPES[shape]!, seqlen, windows });
  }
  return { model, windows: join(model, "input-ids.jsonl") };
}

/** Bytes that are free where a folder is. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** Prints results as JSON, with what they depend on, and writes them to a file if there is one. */
export async function saveResults(
  file: string | undefined,
  format: string,
  command: string,
  results: object,
): Promise<void> {
  const date = new Date().toISOString();
  const record = { format, date, commit: currentCommit(), command, machine: describeMachine(), ...results };
  if (file === undefined) return;
  await writeFile(file, `${JSON.stringify(record, undefined, 2)}\n`);
  console.log(`Results: ${file}`);
}
