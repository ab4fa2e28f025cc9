import type { Run } from "@sdmprune/core";
import {
  splitHeldOut,
  tokenizeTrainingData,
  trainingSequences,
  type TrainingData,
  type TrainingEncoder,
} from "@sdmprune/data";
import { openTrainingData } from "@sdmprune/data/node";
import { microBatch, type EpochSequences, type MicroBatch } from "@sdmprune/lora";
import type { TrainingDataRequest } from "./train-request.js";

/** Training data, tokenised and split. */
export interface OpenedTrainingData {
  readonly train: TrainingData;
  /** The sequences of every epoch. */
  readonly epochs: EpochSequences;
  readonly heldOut: readonly MicroBatch[];
}

/** Reads the data, sets held-out rows apart, and lays the rest out in sequences anew for every epoch. */
export async function openTrainingSequences(
  run: Run,
  request: TrainingDataRequest,
  encoder: TrainingEncoder,
  { maxLength, vocabSize }: { maxLength: number; vocabSize: number },
): Promise<OpenedTrainingData> {
  const { data: specs, textKey, limit, longRows, packing = true } = request;
  const source = await openTrainingData(specs, {
    registries: run.registries,
    progress: run.progress,
    ...(textKey !== undefined && { textKey }),
  });
  const data = await tokenizeTrainingData(source, encoder, {
    maxLength,
    vocabSize,
    progress: run.progress,
    signal: run.signal,
    ...(limit !== undefined && { limit }),
    ...(longRows !== undefined && { longRows }),
  });
  const { seed } = run;
  const numHeldOut = request.heldOut ?? defaultHeldOut(data.rows.length);
  const { train, heldOut } = splitHeldOut(data, { numHeldOut, seed });
  return {
    train,
    epochs: (epoch) => trainingSequences(train, { seed, epoch, packing }),
    heldOut: numHeldOut === 0 ? [] : heldOutBatches(heldOut, packing),
  };
}

function heldOutBatches(data: TrainingData, packing: boolean): MicroBatch[] {
  const sequences = trainingSequences(data, { packing });
  return Array.from({ length: sequences.length }, (_, i) => microBatch([sequences.get(i)]));
}

function defaultHeldOut(numRows: number): number {
  return numRows < 50 ? 0 : Math.min(64, Math.ceil(numRows / 100));
}
