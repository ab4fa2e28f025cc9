import { UsageError } from "@sdmprune/core";

/**
 * What is minimised; `q` = the model's softmax, `p` = the teacher's at temperature `tau`.
 *
 * - `cross-entropy`: mean of `-log q(next token)` over the predicted tokens.
 * - `blend`: `(1 - alpha) * cross-entropy + alpha * KL(p || q)`, the KL meaned over all positions (SDMPrune). Only the
 *   teacher is tempered, and there is no factor `tau^2`. With `alpha = 0` no teacher is needed.
 * - `entropy`: mean of the entropy of `q` over all positions (HFPrune).
 */
export type LossSpec =
  { kind: "cross-entropy" } | { kind: "blend"; alpha: number; tau: number } | { kind: "entropy" };

/** @throws {UsageError} If `alpha` or `tau` is out of range, or a teacher is needed and there is none. */
export function checkLossSpec(where: string, loss: LossSpec, hasTeacher: boolean): void {
  if (loss.kind !== "blend") return;
  const { alpha, tau } = loss;
  if (!(alpha >= 0 && alpha <= 1)) throw new UsageError(`${where}: alpha must be in [0, 1], got ${alpha}.`);
  if (!(tau > 0 && tau < Infinity)) throw new UsageError(`${where}: tau must be positive, got ${tau}.`);
  if (alpha > 0 && !hasTeacher) {
    throw new UsageError(
      `${where}: a blend with alpha ${alpha} needs a teacher, got none. Give one, or take alpha 0.`,
    );
  }
}
