import { UsageError } from "@sdmprune/core";
import { MersenneTwister } from "./mersenne-twister.js";

type Pair = readonly [number, number];

/** What a metric says of one document: a number, or what its aggregation takes, such as log-probability and weight. */
export type MetricValue = number | Pair;

/** How the values of all documents become one number, and how the standard error of that is found. */
interface Aggregation<T> {
  readonly of: (values: readonly T[]) => number;
  /** `none` where lm-eval gives none. */
  readonly error: "analytic" | "bootstrap" | "none";
}

const OF_NUMBERS = {
  mean: { of: mean, error: "analytic" },
  perplexity: { of: (values) => Math.exp(-mean(values)), error: "bootstrap" },
} satisfies Record<string, Aggregation<number>>;

const OF_PAIRS = {
  weighted_perplexity: { of: (values) => Math.exp(-weightedMean(values)), error: "none" },
  bits_per_byte: { of: (values) => -weightedMean(values) / Math.LN2, error: "none" },
  f1: { of: (values) => f1(confusion(values)), error: "bootstrap" },
  mcc: { of: (values) => matthews(confusion(values)), error: "bootstrap" },
} satisfies Record<string, Aggregation<Pair>>;

export type AggregationName = keyof typeof OF_NUMBERS | keyof typeof OF_PAIRS;

export const AGGREGATION_NAMES = Object.keys({ ...OF_NUMBERS, ...OF_PAIRS }) as readonly AggregationName[];

export interface Aggregate {
  readonly value: number;
  /** Undefined where there is none: one document, or an aggregation for which lm-eval has none. */
  readonly stderr: number | undefined;
}

/**
 * One number for the values of all documents, in document order, with its standard error: of a mean by its formula,
 * else by a bootstrap that repeats lm-eval's draws.
 *
 * @param bootstrapIters - Number of resamples; 0 gives no standard errors at all.
 * @throws {UsageError} If the values are not of the aggregation's kind.
 */
export function aggregate(
  name: AggregationName,
  values: readonly MetricValue[],
  bootstrapIters: number,
): Aggregate {
  return name in OF_NUMBERS
    ? withError(OF_NUMBERS[name as keyof typeof OF_NUMBERS], numbers(values), bootstrapIters)
    : withError(OF_PAIRS[name as keyof typeof OF_PAIRS], pairs(values), bootstrapIters);
}

function withError<T>(
  { of, error }: Aggregation<T>,
  values: readonly T[],
  bootstrapIters: number,
): Aggregate {
  const value = of(values);
  if (bootstrapIters <= 0 || values.length < 2 || error === "none") return { value, stderr: undefined };
  if (error === "bootstrap") return { value, stderr: bootstrapError(of, values, bootstrapIters) };
  return { value, stderr: sampleDeviation(values as readonly number[]) / Math.sqrt(values.length) };
}

/** Mean of the values, in order. */
export function mean(values: readonly number[]): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** Standard deviation with n - 1. */
export function sampleDeviation(values: readonly number[]): number {
  const center = mean(values);
  let sum = 0;
  for (const value of values) sum += (value - center) ** 2;
  return Math.sqrt(sum / (values.length - 1));
}

/** lm-eval draws in chunks of 1000, each from a generator seeded with the chunk's number. */
const BOOTSTRAP_CHUNK = 1000;

function bootstrapError<T>(
  of: (values: readonly T[]) => number,
  values: readonly T[],
  iters: number,
): number {
  const chunkSize = Math.min(BOOTSTRAP_CHUNK, iters);
  const replicates: number[] = [];
  const drawn = [...values];
  for (let chunk = 0; chunk < Math.floor(iters / chunkSize); chunk++) {
    const random = new MersenneTwister(chunk);
    for (let i = 0; i < chunkSize; i++) {
      for (let k = 0; k < drawn.length; k++) drawn[k] = values[Math.floor(random.random() * values.length)]!;
      replicates.push(of(drawn));
    }
  }
  return sampleDeviation(replicates);
}

function weightedMean(values: readonly Pair[]): number {
  let sum = 0;
  let weight = 0;
  for (const [value, each] of values) {
    sum += value;
    weight += each;
  }
  return sum / weight;
}

interface Confusion {
  readonly truePositive: number;
  readonly falsePositive: number;
  readonly falseNegative: number;
  readonly trueNegative: number;
}

/** Counts of (gold, predicted) for two classes; 1 is the positive one. */
function confusion(values: readonly Pair[]): Confusion {
  const other = values.flat().find((label) => label !== 0 && label !== 1);
  if (other !== undefined) {
    throw new UsageError(
      `f1 and mcc: expected two classes, 0 and 1, got class ${other}. Choose acc instead.`,
    );
  }
  const count = (gold: number, predicted: number): number =>
    values.filter(([g, p]) => g === gold && p === predicted).length;
  return {
    truePositive: count(1, 1),
    falsePositive: count(0, 1),
    falseNegative: count(1, 0),
    trueNegative: count(0, 0),
  };
}

function f1({ truePositive, falsePositive, falseNegative }: Confusion): number {
  const denominator = 2 * truePositive + falsePositive + falseNegative;
  return denominator === 0 ? 0 : (2 * truePositive) / denominator;
}

function matthews({ truePositive, falsePositive, falseNegative, trueNegative }: Confusion): number {
  const denominator = Math.sqrt(
    (truePositive + falsePositive) *
      (truePositive + falseNegative) *
      (trueNegative + falsePositive) *
      (trueNegative + falseNegative),
  );
  const numerator = truePositive * trueNegative - falsePositive * falseNegative;
  return denominator === 0 ? 0 : numerator / denominator;
}

function numbers(values: readonly MetricValue[]): readonly number[] {
  return values.map((value) => (typeof value === "number" ? value : wrongKind("a number per document")));
}

function pairs(values: readonly MetricValue[]): readonly Pair[] {
  return values.map((value) => (typeof value === "number" ? wrongKind("a pair per document") : value));
}

function wrongKind(expected: string): never {
  throw new UsageError(`aggregation: expected ${expected}, got another kind. Choose another aggregation.`);
}
