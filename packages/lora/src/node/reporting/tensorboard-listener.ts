import { mkdir, open, readdir, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage, silentProgress, type ProgressListener } from "@sdmprune/core";
import type { TrainingListener, TrainingMetrics } from "../../training-metrics.js";
import { eventRecord, FILE_VERSION, type TensorBoardEvent } from "./event-record.js";

const PREFIX = "events.out.tfevents.";

export interface TensorBoardOptions {
  /** Told if a file cannot be written; training goes on without. */
  progress?: ProgressListener;
  /** Milliseconds since 1970. */
  now?: () => number;
}

/**
 * Writes a training's metrics as TensorBoard event files into `runs` in its folder: `tensorboard --logdir DIR/runs`.
 * Tags are those of the Trainer of `transformers`: `train/loss`, `train/learning_rate`, `train/grad_norm`,
 * `train/epoch`, `eval/loss`, and `train/tokens_per_second`, `train/tokens`.
 *
 * Every run of a resumed training writes its own file, which tells readers to forget the steps that it does again.
 */
export function tensorBoardListener({
  progress = silentProgress,
  now = Date.now,
}: TensorBoardOptions = {}): TrainingListener {
  let file: FileHandle | undefined;
  const guarded = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      progress({
        type: "warning",
        message: `TensorBoard events: could not be written: ${errorMessage(error)}. Training goes on without; metrics.jsonl has all steps.`,
      });
      await file?.close().catch(() => {}); // what went wrong is told already
      file = undefined;
    }
  };
  const write = (event: Omit<TensorBoardEvent, "wallTime">): Promise<void> =>
    guarded(async () => {
      await file?.appendFile(eventRecord({ wallTime: now() / 1000, ...event }));
    });
  return {
    async start({ folder, history }) {
      await guarded(async () => {
        file = await createEventFile(join(folder, "runs"), Math.floor(now() / 1000));
      });
      await write({ fileVersion: FILE_VERSION });
      await write({ step: (history.at(-1)?.step ?? 0) + 1, isSessionStart: true });
    },
    step: (metrics) => write({ step: metrics.step, scalars: scalarsOf(metrics) }),
    end: () =>
      guarded(async () => {
        await file?.close();
        file = undefined;
      }),
  };
}

function scalarsOf(metrics: TrainingMetrics): Record<string, number> {
  const { loss, learningRate, gradNorm, epoch, tokens, tokensPerSecond, evalLoss } = metrics;
  return {
    "train/loss": loss,
    "train/learning_rate": learningRate,
    "train/grad_norm": gradNorm,
    "train/epoch": epoch,
    "train/tokens": tokens,
    "train/tokens_per_second": tokensPerSecond,
    ...(evalLoss === undefined ? {} : { "eval/loss": evalLoss }),
  };
}

/** A new file that sorts after those of earlier runs: readers take them in the order of their names. */
async function createEventFile(folder: string, seconds: number): Promise<FileHandle> {
  await mkdir(folder, { recursive: true });
  const taken = (await readdir(folder)).flatMap((name) =>
    name.startsWith(PREFIX) ? [parseInt(name.slice(PREFIX.length), 10) || 0] : [],
  );
  const stamp = Math.max(seconds, ...taken.map((each) => each + 1));
  return open(join(folder, `${PREFIX}${stamp}.sdmprune.${process.pid}`), "wx");
}
