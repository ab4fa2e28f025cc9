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
  readonly losses: readonly { readonly loss: LossSpec; readonly criteria: readonly string[] }[];
}

/**
 * Groups criteria by the passes they need; equal losses are one.
 *
 * @throws {UsageError} If a criterion asks for activations or gradients and has no `observe`, or has nothing at all.
 */
export function planSweep(criteria: ReadonlyMap<string, ImportanceCriterion>): SweepPlan {
  const losses = new Map<string, { loss: LossSpec; criteria: string[] }>();
  const forwardOnly: string[] = [];
  for (const [name, { needs, observe, finish }] of criteria) {
    const needsData = needs.activations === true || needs.gradients !== undefined;
    if (needsData !== (observe !== undefined) || (!observe && !finish)) {
      throw new UsageError(
        `importance "${name}": expected observe() where needs says activations or gradients, and finish() where it says neither. ` +
          `Got needs ${JSON.stringify(needs)} with ${[observe && "observe()", finish && "finish()"].filter(Boolean).join(" and ") || "neither"}.`,
      );
    }
    if (!needsData) continue;
    if (!needs.gradients) {
      forwardOnly.push(name);
      continue;
    }
    const loss = lossSpec(needs.gradients.loss);
    const key = JSON.stringify(loss);
    const group = losses.get(key) ?? { loss, criteria: [] };
    group.criteria.push(name);
    losses.set(key, group);
  }
  const withGradients = [...losses.values()].flatMap((group) => group.criteria);
  return { observers: [...forwardOnly, ...withGradients], forwardOnly, losses: [...losses.values()] };
}

/** A loss in full; a blend without distillation is cross-entropy and needs no teacher. */
function lossSpec(loss: CriterionLoss): LossSpec {
  if (typeof loss === "string") return { kind: loss };
  return loss.kind === "blend" && loss.alpha === 0 ? { kind: "cross-entropy" } : loss;
}
