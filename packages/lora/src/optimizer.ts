import { adamW, tf, type AdamWState } from "@sdmprune/tensor";
import type { TrainableParameter } from "./trainable.js";

/** Parameters that are trained alike. */
export interface ParameterGroup {
  readonly parameters: readonly TrainableParameter[];
  /** Factor of the training's schedule, or a function of steps done; default: the training's learning rate. */
  readonly learningRate?: number | ((step: number) => number);
  /** Default: the training's. */
  readonly weightDecay?: number;
  /** Goes up the gradient instead of down, as multipliers of constraints do. Default false. */
  readonly maximizes?: boolean;
  /** Whether its gradients count in the global norm and are clipped. Default true. */
  readonly isClipped?: boolean;
}

/** Gradients of one step, by parameter name. */
export type Gradients = ReadonlyMap<string, tf.Tensor>;

export interface OptimizerStep {
  /** Number of the step, from 1. */
  readonly step: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly gradientScale: number;
}

/** AdamW over named parameters: float32 moments beside float32 master weights. */
export class AdamWOptimizer {
  readonly #moments = new Map<string, { m: tf.Tensor; v: tf.Tensor; steps: number }>();

  /** Moves the parameters of a group that have a gradient. */
  apply(
    { parameters, maximizes = false }: ParameterGroup,
    gradients: Gradients,
    options: OptimizerStep,
  ): void {
    for (const { name, variable, decays } of parameters) {
      const gradient = gradients.get(name);
      if (!gradient) continue;
      const { m, v, steps } = this.#moments.get(name) ?? zeroMoments(variable);
      const next: AdamWState = adamW({ parameter: variable, m, v }, gradient, {
        ...options,
        step: steps + 1,
        weightDecay: decays ? options.weightDecay : 0,
        gradientScale: (maximizes ? -1 : 1) * options.gradientScale,
      });
      variable.assign(next.parameter);
      tf.dispose([next.parameter, m, v]);
      this.#moments.set(name, { m: next.m, v: next.v, steps: steps + 1 });
    }
  }

  /** The moments, as they are; they stay the optimizer's. */
  state(): { name: string; m: tf.Tensor; v: tf.Tensor; steps: number }[] {
    return [...this.#moments].map(([name, moments]) => ({ name, ...moments }));
  }

  /** Puts moments in place, and owns them from now on. */
  restore(name: string, moments: { m: tf.Tensor; v: tf.Tensor; steps: number }): void {
    const before = this.#moments.get(name);
    if (before) tf.dispose([before.m, before.v]);
    this.#moments.set(name, moments);
  }

  dispose(): void {
    for (const { m, v } of this.#moments.values()) tf.dispose([m, v]);
    this.#moments.clear();
  }
}

function zeroMoments(variable: tf.Tensor): { m: tf.Tensor; v: tf.Tensor; steps: number } {
  return { m: tf.zerosLike(variable), v: tf.zerosLike(variable), steps: 0 };
}

/** Euclidean norm of all gradients taken together; the sum over tensors in float64. */
export async function globalNorm(gradients: Iterable<tf.Tensor>): Promise<number> {
  const squares = [...gradients].map((gradient) => tf.tidy(() => tf.sum(tf.square(gradient))));
  if (squares.length === 0) return 0;
  const all = tf.stack(squares);
  try {
    return Math.sqrt((await all.data<"float32">()).reduce((sum, value) => sum + value, 0));
  } finally {
    tf.dispose([all, ...squares]);
  }
}
