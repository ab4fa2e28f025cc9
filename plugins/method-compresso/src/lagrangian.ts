import { Adam } from "./adam.js";
import { probabilityOfZero } from "./hard-concrete.js";

/** Expected sparsities and the gradient of the constraint's loss. */
export interface ConstraintGradient {
  /** By log_alpha, per layer; shape `[F]`. */
  readonly byLogAlpha: readonly Float64Array[];
  /** Expected part of masks that are 0, one per constraint. */
  readonly sparsity: Float64Array;
}

/**
 * Holds the expected sparsity of the masks at a target: adds `l1 (s - t) + l2 (s - t)^2` to the loss, where `l1` and `l2` climb
 * the same loss (Wang et al. 2020, https://arxiv.org/abs/1910.04732). One constraint for the whole model, or one per layer.
 */
export class Lagrangian {
  readonly lambda1: Float64Array;
  readonly lambda2: Float64Array;
  readonly #ascent: readonly [Adam, Adam];

  constructor(
    private readonly numConstraints: number,
    learningRate: number,
  ) {
    this.lambda1 = new Float64Array(numConstraints);
    this.lambda2 = new Float64Array(numConstraints);
    this.#ascent = [new Adam(numConstraints, -learningRate), new Adam(numConstraints, -learningRate)];
  }

  /**
   * The gradient at the current `l1` and `l2`, which then climb by one step.
   *
   * @param logAlpha - Per layer, `[F]`.
   * @param targets - Sparsity wanted now, one per layer.
   */
  step(logAlpha: readonly Float64Array[], targets: readonly number[]): ConstraintGradient {
    const shut = logAlpha.map((layer) => Array.from(layer, probabilityOfZero));
    const groups = this.#groups(logAlpha.length);
    const sizes = groups.map((layers) => layers.reduce((sum, l) => sum + logAlpha[l]!.length, 0));
    const mean = (values: (layer: number) => number) =>
      Float64Array.from(groups, (layers, g) => layers.reduce((sum, l) => sum + values(l), 0) / sizes[g]!);
    const sparsity = mean((l) => shut[l]!.reduce((sum, { probability }) => sum + probability, 0));
    const target = mean((l) => targets[l]! * logAlpha[l]!.length);
    const excess = sparsity.map((s, g) => s - target[g]!);
    const slope = excess.map((e, g) => this.lambda1[g]! + 2 * this.lambda2[g]! * e);
    const byLogAlpha = shut.map((layer, l) => {
      const group = groups.length === 1 ? 0 : l;
      return Float64Array.from(layer, ({ derivative }) => (slope[group]! * derivative) / sizes[group]!);
    });
    this.#ascent[0].update(this.lambda1, excess);
    this.#ascent[1].update(
      this.lambda2,
      excess.map((e) => e * e),
    );
    return { byLogAlpha, sparsity };
  }

  /** The layers that each constraint is about. */
  #groups(numLayers: number): number[][] {
    const layers = Array.from({ length: numLayers }, (_, l) => l);
    return this.numConstraints === 1 ? [layers] : layers.map((l) => [l]);
  }
}
