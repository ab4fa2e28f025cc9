import {
  InterruptedError,
  silentProgress,
  startTask,
  UsageError,
  type ProgressListener,
} from "@sdmprune/core";
import type { SourceFile } from "../document.js";
import type { BosPolicy } from "../draw-windows.js";
import { createExampleTokenizer, type TrainingEncoder } from "./example-tokenizer.js";
import { TokenStore } from "./token-store.js";
import type { TrainingExample, TrainingSource } from "./training-example.js";

export type LongRows = "truncate" | "drop";

export const LONG_ROWS: readonly LongRows[] = ["truncate", "drop"];

export interface TokenizeTrainingDataOptions {
  /** Longest sequence, in tokens. */
  maxLength: number;
  /** The model's `vocab_size`: every id must be below. */
  vocabSize: number;
  /** `auto`, the default: as the tokenizer does; `always`, `never`: with or without BOS whatever it does. */
  bos?: BosPolicy;
  /** What becomes of an instruction with a response that is longer than `maxLength`. Default `truncate`. */
  longRows?: LongRows;
  /** Read this many examples, the first ones. Default: all. */
  limit?: number;
  progress?: ProgressListener;
  signal?: AbortSignal;
}

/** What became of the examples. */
export interface TrainingDataStats {
  /** Examples read. */
  readonly read: number;
  /** Of them in the training data. */
  readonly kept: number;
  /** Of those kept, cut at `maxLength`. */
  readonly truncated: number;
  /** Left out because nothing of the response is within `maxLength` or, with `longRows: "drop"`, all longer ones. */
  readonly tooLong: number;
  /** Left out because the instruction or the response is empty. */
  readonly empty: number;
  /** Tokens kept. */
  readonly tokens: number;
}

/** Tokenised training examples, or a part of them. */
export interface TrainingData {
  /** What messages call it. */
  readonly name: string;
  readonly maxLength: number;
  /** Of all examples, also where this is a part of them. */
  readonly stats: TrainingDataStats;
  readonly files: readonly SourceFile[];
  readonly store: TokenStore;
  /** Rows of `store` that belong to this part, in file order. */
  readonly rows: Int32Array;
}

/**
 * Tokenises all examples once. Texts are let go as soon as they are tokenised; what stays is 2 bytes a token (4 for
 * vocabularies over 65,536) and about 40 bytes a row.
 *
 * An instruction's prompt and response are tokenised apart and joined, so that no token spans the border; EOS ends
 * every example that is not cut. Examples that are left out are counted, and warned of with the first one's name.
 *
 * @throws {UsageError} If an option is out of range, or no example is left.
 * @throws {FormatError} If a file or row is malformed, or the tokenizer has no EOS or does not fit the model.
 */
export async function tokenizeTrainingData(
  source: TrainingSource,
  encoder: TrainingEncoder,
  options: TokenizeTrainingDataOptions,
): Promise<TrainingData> {
  const { maxLength, vocabSize, limit = Infinity, progress = silentProgress, signal } = options;
  checkOptions(options);
  const { name } = source;
  const tokenize = createExampleTokenizer(encoder, { maxLength, vocabSize, bos: options.bos ?? "auto" });
  const store = new TokenStore(vocabSize);
  const tally = { read: 0, truncated: 0 };
  const leftOut = { empty: new LeftOut(), tooLong: new LeftOut() };
  const add = (example: TrainingExample): void => {
    tally.read++;
    if ("text" in example) {
      store.push(example.id, tokenize.text(example), 0, true);
    } else if (example.prompt === "" || example.response.trim() === "") {
      leftOut.empty.add(example.id);
    } else {
      const { ids, promptLength, isTruncated } = tokenize.instruction(example);
      if (promptLength >= maxLength || (isTruncated && options.longRows === "drop")) {
        leftOut.tooLong.add(example.id);
      } else {
        if (isTruncated) tally.truncated++;
        store.push(example.id, ids, promptLength, false);
      }
    }
  };
  const task = startTask(progress, "tokenize training data", { unit: "rows" });
  try {
    let turnedAt = Date.now();
    for await (const example of source) {
      if (tally.read >= limit) break;
      add(example);
      if (Date.now() - turnedAt < TURN_MS) continue;
      await new Promise((resolve) => setTimeout(resolve, 0)); // lets signals and timers be served
      turnedAt = Date.now();
      task.advance(tally.read);
      if (signal?.aborted) throw new InterruptedError("Interrupted while tokenizing the training data.");
    }
  } finally {
    task.end();
  }
  const stats: TrainingDataStats = {
    ...tally,
    kept: store.numRows,
    tooLong: leftOut.tooLong.count,
    empty: leftOut.empty.count,
    tokens: store.numTokens,
  };
  warn(progress, name, stats, leftOut, options);
  if (store.numRows === 0) {
    throw new UsageError(
      `${name}: expected at least one example to train on, got none of ${stats.read} read ` +
        `(${stats.empty} empty, ${stats.tooLong} longer than max-length ${maxLength}). Give more data or raise max-length.`,
    );
  }
  const rows = Int32Array.from({ length: store.numRows }, (_, row) => row);
  return { name, maxLength, stats, files: await source.files(), store, rows };
}

/** Milliseconds of tokenising between two turns of the event loop. */
const TURN_MS = 50;

class LeftOut {
  count = 0;
  first = "";

  add(id: string): void {
    if (this.count++ === 0) this.first = id;
  }
}

function warn(
  progress: ProgressListener,
  name: string,
  stats: TrainingDataStats,
  { empty, tooLong }: { empty: LeftOut; tooLong: LeftOut },
  { maxLength, longRows }: TokenizeTrainingDataOptions,
): void {
  const say = (message: string): void => progress({ type: "warning", message });
  if (empty.count > 0) {
    say(
      `${name}: ${rowCount(empty.count)} without an instruction or a response left out, the first is ${empty.first}.`,
    );
  }
  if (tooLong.count > 0) {
    const what =
      longRows === "drop"
        ? `longer than max-length ${maxLength}`
        : `with a prompt that fills max-length ${maxLength}`;
    say(`${name}: ${rowCount(tooLong.count)} ${what} left out, the first is ${tooLong.first}.`);
  }
  if (stats.truncated > 0) say(`${name}: ${rowCount(stats.truncated)} cut at max-length ${maxLength}.`);
}

const rowCount = (count: number): string => (count === 1 ? "1 row" : `${count} rows`);

function checkOptions({ maxLength, vocabSize, longRows, limit }: TokenizeTrainingDataOptions): void {
  for (const [key, value, least] of [
    ["maxLength", maxLength, 2],
    ["vocabSize", vocabSize, 1],
    ["limit", limit ?? 1, 1],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < least) {
      throw new UsageError(`${key}: expected an integer of at least ${least}, got ${value}.`);
    }
  }
  if (longRows !== undefined && !LONG_ROWS.includes(longRows)) {
    throw new UsageError(`longRows: expected ${LONG_ROWS.join(" or ")}, got "${String(longRows)}".`);
  }
}
