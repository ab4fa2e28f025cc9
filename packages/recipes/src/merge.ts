import { Rng, type Run } from "@sdmprune/core";
import { mergedTensors } from "@sdmprune/lora";
import type { AtomicFolder } from "@sdmprune/model-io/node";
import { openCheckpoint, writeCheckpointInto } from "@sdmprune/model-io/node";
import { forwardHidden, headLogits, type CausalLM } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import { applyAdapter } from "./apply-adapter.js";
import { openModel } from "./open-model.js";
import { beginOutput } from "./replace-output.js";
import { startEngine, type EngineRequest } from "./start-engine.js";

export interface MergeRequest extends EngineRequest {
  /** A checkpoint folder or a hub id. */
  readonly model: string;
  /** Folder of the adapter, ours or PEFT's. */
  readonly adapter: string;
  readonly output: string;
  /** Replaces an existing output. Only a checkpoint folder is ever replaced. */
  readonly force?: boolean;
}

export interface MergeResult {
  readonly output: string;
  /** Linear layers that were changed. */
  readonly numModules: number;
  /** Largest difference between a logit of the model with its adapter and of the merged checkpoint. */
  readonly maxLogitDifference: number;
  /** Largest absolute logit among those compared. */
  readonly maxLogit: number;
}

/** Tokens on which the two are compared. */
const CHECK_TOKENS = 64;

/**
 * Folds an adapter into a checkpoint, `W + scaling B A` in the checkpoint's type, and compares the logits of the two on random tokens:
 * what differs is the rounding of the merged weights.
 *
 * @throws {UsageError} If the adapter is of another model, or the output cannot be put in place.
 */
export async function mergeAdapter(run: Run, request: MergeRequest): Promise<MergeResult> {
  const { checkpoint, family, config } = await openModel(run, request.model);
  const folder = await beginOutput(request.output, checkpoint.dir, request.force ?? false);
  try {
    await startEngine(run, request);
    const rng = new Rng(run.seed, "merge/check");
    const length = Math.min(CHECK_TOKENS, config.maxPositionEmbeddings);
    const ids = Int32Array.from({ length }, () => rng.integer(config.vocabSize));
    const model = await family.load(checkpoint, config);
    let before: Float32Array;
    let numModules: number;
    try {
      const { adapters, dispose } = await applyAdapter(model, request.adapter);
      try {
        numModules = adapters.size;
        before = await logitsOf(model, ids);
        const task = "write checkpoint";
        run.progress({ type: "start", task, unit: "bytes" });
        await writeCheckpointInto(folder, {
          config: checkpoint.configText,
          tensors: mergedTensors(checkpoint, adapters),
          carryOverFrom: checkpoint,
          onProgress: (done, total) => run.progress({ type: "advance", task, done, total, unit: "bytes" }),
          signal: run.signal,
        });
        run.progress({ type: "end", task });
      } finally {
        dispose();
      }
    } finally {
      model.dispose();
    }
    const after = await mergedLogits(folder, family, config, ids);
    await folder.commit();
    return { output: request.output, numModules, ...largest(before, after) };
  } finally {
    await folder.discard();
  }
}

async function mergedLogits(
  folder: AtomicFolder,
  family: Awaited<ReturnType<typeof openModel>>["family"],
  config: Awaited<ReturnType<typeof openModel>>["config"],
  ids: Int32Array,
): Promise<Float32Array> {
  const merged = await family.load(await openCheckpoint(folder.path), config);
  try {
    return await logitsOf(merged, ids);
  } finally {
    merged.dispose();
  }
}

async function logitsOf(model: CausalLM, ids: Int32Array): Promise<Float32Array> {
  const hidden = await forwardHidden(model, ids, 1);
  const logits = await headLogits(model.head, hidden);
  const values = (await logits.data()) as Float32Array;
  tf.dispose([hidden, logits]);
  return values;
}

function largest(a: Float32Array, b: Float32Array): { maxLogitDifference: number; maxLogit: number } {
  let maxLogitDifference = 0;
  let maxLogit = 0;
  a.forEach((value, i) => {
    maxLogitDifference = Math.max(maxLogitDifference, Math.abs(value - b[i]!));
    maxLogit = Math.max(maxLogit, Math.abs(value));
  });
  return { maxLogitDifference, maxLogit };
}
