/** What one optimiser step came to. Written as a line of metrics.jsonl with these keys. */
export interface TrainingMetrics {
  /** Optimiser steps done, this one included: the first is 1. */
  readonly step: number;
  /** Loss that was minimised, mean over the step's target tokens, in nats. */
  readonly loss: number;
  /** The learning rate of this step. */
  readonly learningRate: number;
  /** Global L2 norm of the gradient before clipping. */
  readonly gradNorm: number;
  /** Tokens run through the model since the first step. */
  readonly tokens: number;
  /** Tokens of this step by its time. */
  readonly tokensPerSecond: number;
  /** Time spent training since the first step, over all runs of a resumed training, without evaluation. */
  readonly elapsedMs: number;
  /** Epochs done, with a fraction. */
  readonly epoch: number;
  /** Mean cross-entropy of the held-out sequences after this step, in nats, if it was measured. */
  readonly evalLoss?: number;
}

/** What is known when training starts or goes on. */
export interface TrainingStart {
  /** Optimiser steps of the whole training. */
  readonly totalSteps: number;
  /** Records of the steps that an earlier run did: empty unless resumed. */
  readonly history: readonly TrainingMetrics[];
  /** Folder of the training, where metrics.jsonl lies, and a listener may put files. */
  readonly folder: string;
}

/** Watches a training. It must not throw; what it writes is awaited. */
export interface TrainingListener {
  start?(start: TrainingStart): void | Promise<void>;
  step?(metrics: TrainingMetrics): void | Promise<void>;
  /** Training has ended, was interrupted, or failed. */
  end?(): void | Promise<void>;
}
