import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { UsageError, type Run } from "@sdmprune/core";
import { mergeAdapter, type MergeResult } from "./merge.js";
import type { TrainRequest } from "./train-request.js";
import { train, type TrainResult } from "./train.js";
import { findTrainingPreset } from "./training-presets.js";

/** What is to be done with a checkpoint that was just pruned. */
export interface RecoverRequest extends Omit<TrainRequest, "model" | "output"> {
  /** Folder of the pruned checkpoint. */
  readonly pruned: string;
  readonly preset: string;
}

export interface RecoverResult {
  /** Folder of the recovered checkpoint. */
  readonly output: string;
  readonly training: TrainResult;
  /** Of LoRA; a full training needs no merge. */
  readonly merged?: MergeResult;
}

/** Where recovery puts what it makes: the training beside the pruned checkpoint, and the checkpoint that comes out. */
export function recoveryFolders(pruned: string, preset: string): { training: string; output: string } {
  const base = resolve(pruned);
  const output = `${base}-recovered`;
  return findTrainingPreset(preset).mode === "full"
    ? { training: output, output }
    : { training: `${base}-recovery`, output };
}

/**
 * Refuses what recovery would only find out after pruning.
 *
 * @throws {UsageError} If the preset is unknown or a folder is taken.
 */
export async function checkRecovery({
  pruned,
  preset,
  force,
}: Pick<RecoverRequest, "pruned" | "preset" | "force">): Promise<void> {
  const { training, output } = recoveryFolders(pruned, preset);
  if (force) return;
  for (const folder of new Set([training, output])) {
    if (await stat(folder).catch(() => undefined)) {
      throw new UsageError(
        `recover: expected nothing at ${folder} yet, got a folder. Remove it, or use force to replace it.`,
      );
    }
  }
}

/** Trains a pruned checkpoint by a preset and, if that trained adapters, merges them. */
export async function recover(run: Run, { pruned, ...request }: RecoverRequest): Promise<RecoverResult> {
  const { training: folder, output } = recoveryFolders(pruned, request.preset);
  const training = await train(run, { ...request, model: pruned, output: folder });
  if (training.mode === "full") return { output, training };
  const merged = await mergeAdapter(run, {
    ...{ model: pruned, adapter: folder, output },
    ...(request.force !== undefined && { force: request.force }),
  });
  return { output, training, merged };
}
