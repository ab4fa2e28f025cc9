import { UsageError } from "@sdmprune/core";
import type { LossSpec } from "@sdmprune/tensor";
import type { CriterionLoss, ImportanceCriterion } from "./criterion.js";

/** What a set of criteria asks for, together. */
export interface SweepPlan {
  /** Criteria that see samples, in the forward pass or the backward pass. */
  readonly observers: readonly string[];
  /** Those that see the forward pass only. */
  readonly forwardOnly: readonly string[];
  /** The distinct losses, each with the criteria that want its gradients. */
  readonly losses: readonly PlannedLoss[];
}

/** A loss and who wants its gradients. */
export interface PlannedLoss {
  readonly loss: LossSpec;
  /** Criteria that see the backward pass. */
  readonly criteria: readonly string[];
  /** Criteria that want the gradients by the weights, summed over the samples. */
  readonly summed: readonly string[];
  /** Whether one of those wants squares, too. */
  readonly withSquares: boolean;
}

/**
 * Groups criteria by the passes they need; equal losses are one.
 *
 * @throws {UsageError} If a criterion asks for activations or gradients and has no `observe`, or has nothing at all.
 */
export function planSweep(criteria: ReadonlyMap<string, ImportanceCriterion>): SweepPlan {
  const losses = new Map<
    string,
    { loss: LossSpec; criteria: string[]; summed: string[]; withSquares: boolean }
  >();
  const forwardOnly: string[] = [];
  for (const [name, criterion] of criteria) {
    assertConsistent(name, criterion);
    const { needs, observe } = criterion;
    if (!needs.activations && !needs.gradients) continue;
    if (!needs.gradients) {
      forwardOnly.push(name);
      continue;
    }
    const loss = lossSpec(needs.gradients.loss);
    const key = JSON.stringify(loss);
    const group = losses.get(key) ?? { loss, criteria: [], summed: [], withSquares: false };
    if (observe) group.criteria.push(name);
    if (needs.weightGradients) group.summed.push(name);
    if (needs.weightGradients === "mean-and-square") group.withSquares = true;
    losses.set(key, group);
  }
  const seeing = [...losses.values()].flatMap(({ criteria, summed }) => [
    ...new Set([...criteria, ...summed]),
  ]);
  return { observers: [...forwardOnly, ...seeing], forwardOnly, losses: [...losses.values()] };
}

/** How many times the MLPs' weights the sums of weight gradients take, for all criteria together. */
export function weightGradientCopies(criteria: ReadonlyMap<string, ImportanceCriterion>): number {
  return planSweep(criteria).losses.reduce(
    (copies, { summed, withSquares }) => copies + (summed.length === 0 ? 0 : withSquares ? 2 : 1),
    0,
  );
}

function assertConsistent(name: string, criterion: ImportanceCriterion): void {
  const { needs, observe, finish, numSums = 1 } = criterion;
  if (!Number.isSafeInteger(numSums) || numSums < 1) {
    throw new UsageError(`importance "${name}": expected numSums to be a positive integer, got ${numSums}.`);
  }
  if ((numSums > 1 || needs.weightGradients) && !finish) {
    const because = needs.weightGradients ? "needs.weightGradients" : `numSums ${numSums}`;
    throw new UsageError(`importance "${name}": expected finish() with ${because}, got none.`);
  }
  if (needs.weightGradients && !needs.gradients) {
    throw new UsageError(
      `importance "${name}": expected needs.gradients with needs.weightGradients, to say of which loss; got none.`,
    );
  }
  const needsData = needs.activations === true || needs.gradients !== undefined;
  const mayObserve = needsData === (observe !== undefined) || needs.weightGradients !== undefined;
  if (mayObserve && (observe || finish)) return;
  throw new UsageError(
    `importance "${name}": expected observe() where needs says activations or gradients, and finish() where it says neither. ` +
      `Got needs ${JSON.stringify(needs)} with ${[observe && "observe()", finish && "finish()"].filter(Boolean).join(" and ") || "neither"}.`,
  );
}

/** A loss in full; a blend without distillation is cross-entropy and needs no teacher. */
function lossSpec(loss: CriterionLoss): LossSpec {
  if (typeof loss === "string") return { kind: loss };
  return loss.kind === "blend" && loss.alpha === 0 ? { kind: "cross-entropy" } : loss;
}
