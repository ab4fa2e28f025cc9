import { UsageError } from "@sdmprune/core";
import type { TrainingSequence, TrainingSequences } from "@sdmprune/data";

/** The sequences of any epoch, counted from 0. The same epoch gives the same sequences whenever asked. */
export type EpochSequences = (epoch: number) => TrainingSequences;

/** The sequences of one optimiser step. */
export interface StepBatches {
  readonly epoch: number;
  /** Epochs done after the step, with a fraction. */
  readonly epochsDone: number;
  /** One list per micro-batch. */
  readonly batches: readonly (readonly TrainingSequence[])[];
  /** What messages call the rows, micro-batch by micro-batch. */
  readonly names: readonly (readonly string[])[];
}

/** Which sequences each step trains on: a function of the step alone, so that training can go on anywhere. */
export interface TrainingPlan {
  readonly totalSteps: number;
  /** @param step - From 1. */
  batchesOf(step: number): StepBatches;
}

export interface TrainingPlanOptions {
  readonly epochs: number;
  /** Ends training after so many steps, or repeats the data until then. */
  readonly maxSteps?: number | undefined;
  /** Ends training before the step that would go beyond so many tokens; it has one step at least. */
  readonly maxTokens?: number | undefined;
  /** Sequences of a micro-batch. */
  readonly batchSize: number;
  /** Micro-batches of a step; the last step of an epoch may have fewer, as in the Trainer of transformers. */
  readonly gradientAccumulation: number;
}

/** @throws {UsageError} If an option is out of range, or an epoch has no sequence. */
export function planTraining(epochsOf: EpochSequences, options: TrainingPlanOptions): TrainingPlan {
  const { epochs, maxSteps, maxTokens, batchSize, gradientAccumulation } = options;
  for (const [name, value] of Object.entries({
    epochs,
    batchSize,
    gradientAccumulation,
    maxSteps: maxSteps ?? 1,
    maxTokens: maxTokens ?? 1,
  })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new UsageError(`${name}: expected an integer of at least 1, got ${value}.`);
    }
  }
  const perStep = batchSize * gradientAccumulation;
  let cached: { epoch: number; sequences: TrainingSequences } | undefined;
  const sequencesOf = (epoch: number): TrainingSequences => {
    if (cached?.epoch !== epoch) {
      const sequences = epochsOf(epoch);
      if (sequences.length === 0) throw new UsageError("train: expected a sequence to train on, got none.");
      cached = { epoch, sequences };
    }
    return cached.sequences;
  };
  /** Steps before each epoch; grows as needed. */
  const starts = [0];
  const startOf = (epoch: number): number => {
    while (starts.length <= epoch) {
      const last = starts.length - 1;
      starts.push(starts[last]! + Math.ceil(sequencesOf(last).length / perStep));
    }
    return starts[epoch]!;
  };
  /** Steps that are within `maxTokens`. */
  const stepsWithin = (budget: number, most: number): number => {
    let [steps, tokens] = [0, 0];
    for (let epoch = 0; steps < most; epoch++) {
      const sequences = sequencesOf(epoch);
      for (let first = 0; first < sequences.length && steps < most; first += perStep, steps++) {
        const end = Math.min(first + perStep, sequences.length);
        for (let i = first; i < end; i++) tokens += sequences.get(i).ids.length;
        if (tokens > budget) return Math.max(1, steps);
      }
    }
    return steps;
  };
  const mostSteps = maxSteps ?? startOf(epochs);
  const totalSteps = maxTokens === undefined ? mostSteps : stepsWithin(maxTokens, mostSteps);
  return {
    totalSteps,
    batchesOf(step) {
      let epoch = 0;
      while (startOf(epoch + 1) < step) epoch++;
      const sequences = sequencesOf(epoch);
      const first = (step - 1 - startOf(epoch)) * perStep;
      const end = Math.min(first + perStep, sequences.length);
      const batches: TrainingSequence[][] = [];
      const names: string[][] = [];
      for (let from = first; from < end; from += batchSize) {
        const indices = Array.from({ length: Math.min(batchSize, end - from) }, (_, i) => from + i);
        batches.push(indices.map((index) => sequences.get(index)));
        names.push(indices.flatMap((index) => sequences.names(index)));
      }
      return { epoch, epochsDone: epoch + end / sequences.length, batches, names };
    },
  };
}

/** Sequences in memory as those of every epoch, in their order. */
export function sameEveryEpoch(sequences: readonly TrainingSequence[]): EpochSequences {
  const sum = (count: (sequence: TrainingSequence) => number): number =>
    sequences.reduce((total, sequence) => total + count(sequence), 0);
  const all: TrainingSequences = {
    length: sequences.length,
    numTokens: sum(({ ids }) => ids.length),
    numLossTokens: sum(({ labels }) => labels.filter((label) => label >= 0).length),
    get(index) {
      const sequence = sequences[index];
      if (!sequence)
        throw new UsageError(`sequences: expected an index below ${sequences.length}, got ${index}.`);
      return sequence;
    },
    names: (index) => [`sequence ${index}`],
  };
  return () => all;
}
