import { open, readFile, truncate, type FileHandle } from "node:fs/promises";
import { basename, join } from "node:path";
import { FormatError } from "@sdmprune/core";
import { withDiskErrors } from "@sdmprune/model-io/node";
import type { TrainingMetrics } from "../../training-metrics.js";

/** The file in a training's folder with one line of JSON per optimiser step: the keys of {@link TrainingMetrics}. */
export const METRICS_FILE = "metrics.jsonl";

/** What every line has, as a finite number or, where a training went wrong, null for what was not finite. */
const KEYS = [
  "step",
  "loss",
  "learningRate",
  "gradNorm",
  "tokens",
  "tokensPerSecond",
  "elapsedMs",
  "epoch",
] as const satisfies readonly (keyof TrainingMetrics)[];

/** The metrics of a training, written step by step. */
export interface MetricsLog {
  /** The steps that were there when the log was opened. */
  readonly history: readonly TrainingMetrics[];
  /** Adds a step; it is in the file when this resolves. */
  append(metrics: TrainingMetrics): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the log in `folder`, or makes one. Steps after `lastStep`, which a resumed training does again, and a line
 * that was cut while it was written are taken out of the file first.
 *
 * @param lastStep - The step that training goes on from; 0 begins anew.
 * @throws {FormatError} If the file holds something else, or lacks a step up to `lastStep`.
 */
export async function openMetricsLog(
  folder: string,
  { lastStep }: { lastStep: number },
): Promise<MetricsLog> {
  const path = join(folder, METRICS_FILE);
  const { metrics, ends } = parseMetrics(await readIfThere(path), path);
  const history = metrics.filter(({ step }) => step <= lastStep);
  if (history.length !== lastStep) {
    throw new FormatError(
      `${path}: expected a line for each of the ${lastStep} steps done, got ${history.length}. ` +
        `Put the file back, or train anew without it.`,
    );
  }
  let file: FileHandle;
  await withDiskErrors(path, async () => {
    file = await open(path, "a");
    await truncate(path, ends[history.length - 1] ?? 0);
  });
  return {
    history,
    append: (each) => withDiskErrors(path, () => file.appendFile(`${JSON.stringify(each)}\n`)),
    close: () => file.close(),
  };
}

/**
 * Reads the metrics of a training, running or over. A last line without its end, as an interrupted write leaves
 * it, is passed over.
 *
 * @param path - The file, not its folder.
 * @throws {FormatError} If a line is malformed or the steps do not follow one another.
 */
export async function readMetrics(path: string): Promise<TrainingMetrics[]> {
  return parseMetrics(await readFile(path), path).metrics;
}

async function readIfThere(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
}

/** The records, and for each the byte after its line. */
function parseMetrics(bytes: Buffer, path: string): { metrics: TrainingMetrics[]; ends: number[] } {
  const metrics: TrainingMetrics[] = [];
  const ends: number[] = [];
  let start = 0;
  for (let end = bytes.indexOf("\n"); end >= 0; end = bytes.indexOf("\n", start)) {
    const where = `${basename(path)}: line ${metrics.length + 1}`;
    metrics.push(parseLine(bytes.toString("utf8", start, end), metrics.length + 1, where));
    start = end + 1;
    ends.push(start);
  }
  return { metrics, ends };
}

function parseLine(line: string, step: number, where: string): TrainingMetrics {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new FormatError(`${where}: expected the metrics of a step as JSON, got "${line.slice(0, 40)}".`, {
      cause,
    });
  }
  const record = typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  const wrong = KEYS.find((key) => typeof record[key] !== "number" && record[key] !== null);
  if (wrong !== undefined) {
    throw new FormatError(`${where}: expected a number "${wrong}", got ${JSON.stringify(record[wrong])}.`);
  }
  if (record["step"] !== step) {
    throw new FormatError(`${where}: expected step ${step}, got ${JSON.stringify(record["step"])}.`);
  }
  for (const key of KEYS) record[key] ??= NaN;
  return record as unknown as TrainingMetrics;
}
