import { UsageError } from "@sdmprune/core";
import {
  gatedMlp,
  gatedMlpRecompute,
  gatedMlpSaving,
  rmsNorm,
  rmsNormBackward,
  rmsNormBackwardWeight,
  tf,
  type GatedMlpOptions,
} from "@sdmprune/tensor";
import type { AdapterSlots } from "../adapters.js";
import type { Block, BlockObserver } from "../block.js";
import { reportWeight } from "../report-weight.js";
import { TensorScope } from "../tensor-scope.js";
import type { WeightStore } from "../weight-store.js";
import { attention, attentionBackward, type AttentionSaved } from "./attention.js";
import { llamaBlockWeights, type LlamaBlockWeights } from "./block-weights.js";
import type { LlamaConfig } from "./config.js";
import { mlpBackward } from "./mlp-backward.js";
import type { LlamaSequence } from "./sequence.js";
import { llamaTensorName } from "./weights.js";

/** What a block's backward pass needs. The norms are computed again: they are cheap, and `[N, H]` each. */
export type LlamaBlockSaved = AttentionSaved & {
  /** Input of the block; shape `[N, H]`. */
  readonly x: tf.Tensor2D;
  /** After attention and its residual; shape `[N, H]`. */
  readonly middle: tf.Tensor2D;
  /** Of the MLP; shape `[N, F]` each. */
  readonly gate: tf.Tensor2D;
  readonly up: tf.Tensor2D;
  readonly activation: tf.Tensor2D;
};

/** Pre-norm attention, then a pre-norm gated MLP, each added to its input. */
export function createLlamaBlock(
  config: LlamaConfig,
  store: WeightStore,
  adapters: AdapterSlots,
  layer: number,
): Block<LlamaSequence, LlamaBlockSaved> {
  const eps = config.rmsNormEps;
  const weightsIn = (context: LlamaSequence): LlamaBlockWeights =>
    llamaBlockWeights(store, adapters, config, layer, context);
  const mlpOptions = (
    { neuronMasks }: LlamaSequence,
    { mlpAdapters }: LlamaBlockWeights,
  ): GatedMlpOptions => ({
    activation: config.hiddenAct,
    mask: neuronMasks?.[layer],
    maskAt: "projections",
    adapters: mlpAdapters,
  });

  /** `x + attention(norm(x))`, without or with what its backward pass needs. */
  const attend = (x: tf.Tensor2D, context: LlamaSequence): { middle: tf.Tensor2D; saved: AttentionSaved } =>
    tf.tidy(() => {
      const weights = weightsIn(context);
      const { output, saved } = attention(
        config,
        weights,
        layer,
        rmsNorm(x, weights.inputNorm, eps),
        context,
      );
      return { middle: tf.add<tf.Tensor2D>(x, output), saved };
    });

  const run = (
    x: tf.Tensor2D,
    context: LlamaSequence,
    observer?: BlockObserver,
  ): { output: tf.Tensor2D; saved: LlamaBlockSaved } => {
    const weights = weightsIn(context);
    const { mlp, postAttentionNorm } = weights;
    const scope = new TensorScope();
    try {
      const { middle, saved: attentionSaved } = attend(x, context);
      scope.ownAll({ middle, ...attentionSaved });
      const input = scope.own(rmsNorm(middle, postAttentionNorm, eps));
      const { output: mlpOutput, saved: mlpSaved } = gatedMlpSaving(input, mlp, mlpOptions(context, weights));
      scope.ownAll({ mlpOutput, ...mlpSaved });
      observer?.mlp?.({ layer, weights: mlp, input, ...mlpSaved });
      const output = scope.own(tf.add<tf.Tensor2D>(middle, mlpOutput));
      const saved: LlamaBlockSaved = { x: scope.own(tf.clone(x)), middle, ...attentionSaved, ...mlpSaved };
      for (const tensor of [output, ...Object.values(saved)]) scope.handOver(tensor);
      return { output, saved };
    } finally {
      scope.dispose();
    }
  };

  return {
    index: layer,

    forward(x, context, observer) {
      if (observer?.mlp) {
        const { output, saved } = run(x, context, observer);
        tf.dispose(saved);
        return output;
      }
      return tf.tidy(() => {
        const weights = weightsIn(context);
        const { mlp, postAttentionNorm } = weights;
        const { middle } = attend(x, context);
        return tf.add<tf.Tensor2D>(
          middle,
          gatedMlp(rmsNorm(middle, postAttentionNorm, eps), mlp, mlpOptions(context, weights)),
        );
      });
    },

    forwardSaving(x, context, observer) {
      if (context.cache)
        throw new UsageError("forwardSaving: a pass with gradients cannot use a key-value cache.");
      return run(x, context, observer);
    },

    recompute(x, context) {
      const weights = weightsIn(context);
      const { mlp, postAttentionNorm } = weights;
      return tf.tidy(() => {
        const { middle, saved } = attend(x, context);
        const input = rmsNorm(middle, postAttentionNorm, eps);
        return {
          x: tf.clone(x),
          middle,
          ...saved,
          ...gatedMlpRecompute(input, mlp, mlpOptions(context, weights)),
        };
      });
    },

    backward(saved, dy, context, observer) {
      const scope = new TensorScope();
      scope.ownAll(saved);
      try {
        const weights = weightsIn(context);
        const { x, middle } = saved;
        const dMlpInput = scope.own(throughMlp(weights, saved, dy, context, observer));
        scope.free(saved.gate, saved.up, saved.activation);
        const dMiddle = scope.own(
          throughNorm(
            observer,
            "post_attention_layernorm.weight",
            middle,
            weights.postAttentionNorm,
            dMlpInput,
            dy,
          ),
        );
        scope.free(dMlpInput);
        const normed = scope.own(rmsNorm(x, weights.inputNorm, eps));
        const dNormed = scope.own(
          attentionBackward(config, weights, layer, normed, saved, dMiddle, context, observer),
        );
        return throughNorm(observer, "input_layernorm.weight", x, weights.inputNorm, dNormed, dMiddle);
      } finally {
        scope.dispose();
      }
    },

    backwardMlp(saved, dy, context, observer) {
      try {
        throughMlp(weightsIn(context), saved, dy, context, observer).dispose();
      } finally {
        tf.dispose(saved);
      }
    },
  };

  /** Gradient by the MLP's input, after its norm. */
  function throughMlp(
    weights: LlamaBlockWeights,
    saved: LlamaBlockSaved,
    dy: tf.Tensor2D,
    context: LlamaSequence,
    observer: BlockObserver | undefined,
  ): tf.Tensor2D {
    const input = rmsNorm(saved.middle, weights.postAttentionNorm, eps);
    try {
      return mlpBackward(
        config,
        weights.mlp,
        layer,
        input,
        saved,
        dy,
        mlpOptions(context, weights),
        observer,
      );
    } finally {
      input.dispose();
    }
  }

  /** Gradient by `x` of `x + f(norm(x))`, given the gradients by `norm(x)` and by the sum. */
  function throughNorm(
    observer: BlockObserver | undefined,
    part: "input_layernorm.weight" | "post_attention_layernorm.weight",
    x: tf.Tensor2D,
    weight: tf.Tensor1D,
    dNormed: tf.Tensor2D,
    dSum: tf.Tensor2D,
  ): tf.Tensor2D {
    reportWeight(observer, llamaTensorName({ layer, part }), () => rmsNormBackwardWeight(x, eps, dNormed));
    return tf.tidy(() => tf.add<tf.Tensor2D>(dSum, rmsNormBackward(x, weight, eps, dNormed)));
  }
}
