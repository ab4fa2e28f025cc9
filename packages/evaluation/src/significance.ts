import { Rng, UsageError } from "@sdmprune/core";

/** How two models' answers to the same questions differ. */
export interface McNemar {
  /** Questions only the first model got right. */
  readonly onlyFirst: number;
  /** Questions only the second model got right. */
  readonly onlySecond: number;
  /** Two-sided exact p-value: how likely a split at least as uneven is if both were equally good. */
  readonly pValue: number;
}

/**
 * McNemar's exact test (McNemar 1947) of paired right-or-wrong answers: the questions on which the models differ are
 * tosses of a fair coin if the models are equally good.
 *
 * @param first - 1 or 0 per question.
 * @param second - The same questions in the same order.
 */
export function mcNemarTest(first: readonly number[], second: readonly number[]): McNemar {
  assertPaired(first, second);
  let onlyFirst = 0;
  let onlySecond = 0;
  for (const [i, a] of first.entries()) {
    if (a > second[i]!) onlyFirst++;
    else if (a < second[i]!) onlySecond++;
  }
  return {
    onlyFirst,
    onlySecond,
    pValue: twoSidedBinomial(Math.min(onlyFirst, onlySecond), onlyFirst + onlySecond),
  };
}

/** Twice the probability of at most `k` heads in `n` fair tosses, at most 1. */
function twoSidedBinomial(k: number, n: number): number {
  let logTerm = -n * Math.LN2; // log of C(n, 0) / 2^n
  let sum = 0;
  for (let i = 0; i <= k; i++) {
    sum += Math.exp(logTerm);
    logTerm += Math.log(n - i) - Math.log(i + 1);
  }
  return Math.min(1, 2 * sum);
}

/** A difference with its uncertainty. */
export interface PairedDifference {
  /** Second minus first. */
  readonly difference: number;
  readonly stderr: number;
  /** Percentile interval. */
  readonly low: number;
  readonly high: number;
  /** Two-sided: how often a resampled difference falls on the other side of 0, twice. */
  readonly pValue: number;
}

export interface BootstrapOptions {
  /** Default 10000. */
  readonly iters?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Share of the interval. Default 0.95. */
  readonly confidence?: number;
}

const BOOTSTRAP_ITERS = 10_000;

/**
 * Paired bootstrap (Efron & Tibshirani 1993) of the difference of two models' means over several tasks: every task
 * counts the same, and its questions are drawn anew together with both models' answers.
 *
 * @param tasks - Per task, both models' values for the same questions in the same order.
 */
export function pairedBootstrap(
  tasks: readonly { readonly first: readonly number[]; readonly second: readonly number[] }[],
  { iters = BOOTSTRAP_ITERS, seed = 0, confidence = 0.95 }: BootstrapOptions = {},
): PairedDifference {
  if (tasks.length === 0) throw new UsageError("pairedBootstrap: expected at least one task, got none.");
  const differences = tasks.map(({ first, second }) => {
    assertPaired(first, second);
    return Float64Array.from(second, (value, i) => value - first[i]!);
  });
  const rng = new Rng(seed, "paired-bootstrap");
  const replicates = Float64Array.from({ length: iters }, () => {
    let sum = 0;
    for (const each of differences) {
      let total = 0;
      for (let i = 0; i < each.length; i++) total += each[Math.floor(rng.uniform() * each.length)]!;
      sum += total / each.length;
    }
    return sum / differences.length;
  }).sort();
  const difference =
    differences.reduce((sum, each) => sum + each.reduce((a, b) => a + b, 0) / each.length, 0) /
    differences.length;
  const center = replicates.reduce((a, b) => a + b, 0) / iters;
  const variance = replicates.reduce((sum, value) => sum + (value - center) ** 2, 0) / (iters - 1);
  const tail = (1 - confidence) / 2;
  const numBelow = replicates.filter((value) => value <= 0).length;
  const numAbove = replicates.filter((value) => value >= 0).length;
  return {
    difference,
    stderr: Math.sqrt(variance),
    low: quantile(replicates, tail),
    high: quantile(replicates, 1 - tail),
    pValue: Math.min(1, (2 * (Math.min(numBelow, numAbove) + 1)) / (iters + 1)),
  };
}

/** Linear interpolation between order statistics. */
function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (at - below) * (sorted[above]! - sorted[below]!);
}

function assertPaired(first: readonly number[], second: readonly number[]): void {
  if (first.length !== second.length || first.length === 0) {
    throw new UsageError(
      `paired comparison: expected the same questions of both models, got ${first.length} and ${second.length}.`,
    );
  }
}
