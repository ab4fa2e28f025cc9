import * as tf from "@tensorflow/tfjs-core";

/**
 * The kernels that a backend may provide, beside tfjs's own, to run a transformer operation in one go. A backend
 * registers the ones it has with `tf.registerKernel({ kernelName, backendName, kernelFunc })`; an operation whose
 * kernel is missing runs as a composition of plain tfjs operations, which gives the same values up to rounding.
 *
 * All tensors are float32 and `labels` is int32. A kernel returns new tensors, one or an array in the order stated,
 * never aliases an input, and reads neither more nor other inputs than are stated. An optional input that is not
 * given is absent from `inputs`.
 *
 * Shapes: `B` batch, `T` query length, `S` key length, `N` rows (`B*T`), `H` hidden, `F` intermediate, `Nq` and `Nkv`
 * query and key/value heads, `D` head size, `R` rotated part of `D`, `C` width of a vocabulary chunk.
 */
export interface FusedKernels {
  /** `y[n,h] = x[n,h] * r[n] * weight[h]` with `r[n] = 1 / sqrt(mean_h(x[n,h]^2) + eps)`. Returns `y [N,H]`. */
  SdmRmsNorm: {
    inputs: { /** `[N,H]` */ x: tf.Tensor; /** `[H]` */ weight: tf.Tensor };
    attrs: { eps: number };
    outputs: tf.Tensor;
  };

  /**
   * Gradient of `SdmRmsNorm` by `x`. With `s = dy * weight` and `r` as above:
   * `dx[n,h] = r[n] * (s[n,h] - x[n,h] * r[n]^2 * mean_h(s[n,h] * x[n,h]))`. Returns `dx [N,H]`.
   */
  SdmRmsNormBackward: {
    inputs: { /** `[N,H]` */ x: tf.Tensor; /** `[H]` */ weight: tf.Tensor; /** `[N,H]` */ dy: tf.Tensor };
    attrs: { eps: number };
    outputs: tf.Tensor;
  };

  /**
   * Rotates the pairs `(x[..., i], x[..., i + R/2])`, `i < R/2`, of every head:
   * `y_i = x_i * cos_i - x_{i+R/2} * sin_i`, `y_{i+R/2} = x_{i+R/2} * cos_i + x_i * sin_i`; coordinates from `R` on
   * pass through. `R/2` is the last size of `cos`. With `inverse`, `sin` is negated, which is the gradient.
   * Returns `y [B,T,heads,D]`.
   */
  SdmRotary: {
    inputs: {
      /** `[B,T,heads,D]` */ x: tf.Tensor;
      /** `[T,R/2]`, or `[B,T,R/2]` with a position per batch row */ cos: tf.Tensor;
      /** as `cos` */ sin: tf.Tensor;
    };
    attrs: { inverse: boolean };
    outputs: tf.Tensor;
  };

  /**
   * A linear layer with a low-rank change: `y = x weight^T + bias + scaling * d(x) a^T b^T`, where `d` puts 0 at the positions
   * `dropped`. `N` is at least 2. Returns `y [N,O]`.
   */
  SdmAdaptedLinear: {
    inputs: {
      /** `[N,I]` */ x: tf.Tensor;
      /** `[O,I]` */ weight: tf.Tensor;
      /** `[O]` */ bias?: tf.Tensor | undefined;
      /** `[r,I]` */ a: tf.Tensor;
      /** `[O,r]` */ b: tf.Tensor;
    };
    attrs: AdapterAttributes;
    outputs: tf.Tensor;
  };

  /**
   * Gradient of `SdmAdaptedLinear` (which see) by `x`, `a` and `b`. With `dInner = scaling * dy b`:
   * `dx = sum + dy weight + d(dInner a)`, `dA = dInner^T d(x)`, `dB = dy^T (scaling * d(x) a^T)`.
   * Returns `[dx [N,I], dA [r,I], dB [O,r]]`.
   */
  SdmAdaptedLinearBackward: {
    inputs: {
      x: tf.Tensor;
      /** `[N,O]` */ dy: tf.Tensor;
      weight: tf.Tensor;
      a: tf.Tensor;
      b: tf.Tensor;
      /** `[N,I]`; 0 if not given */ sum?: tf.Tensor | undefined;
    };
    attrs: AdapterAttributes;
    outputs: [tf.Tensor, tf.Tensor, tf.Tensor];
  };

  /**
   * Causal attention with grouped heads. Query `i` stands at position `S - T + i` and sees the keys `j <= S - T + i`;
   * query head `h` reads key/value head `floor(h / (Nq / Nkv))`.
   * `score = scale * <q_i, k_j> + bias`, `P = softmax_j(score)` over the visible keys, `out_i = sum_j P_ij v_j`.
   * Returns `out [B,T,Nq,D]`.
   */
  SdmCausalAttention: {
    inputs: {
      /** `[B,T,Nq,D]` */ q: tf.Tensor;
      /** `[B,S,Nkv,D]`, `S >= T` */ k: tf.Tensor;
      /** `[B,S,Nkv,D]` */ v: tf.Tensor;
      /** rank 4, broadcastable to `[B,Nq,T,S]` */ bias?: tf.Tensor;
    };
    attrs: { scale: number };
    outputs: tf.Tensor;
  };

  /**
   * Gradient of `SdmCausalAttention` (which see), recomputing `P`. With `dP_ij = <dOut_i, v_j>` and
   * `dS_ij = P_ij (dP_ij - <out_i, dOut_i>)`: `dq_i = scale * sum_j dS_ij k_j`, `dk_j = scale * sum dS_ij q_i`,
   * `dv_j = sum P_ij dOut_i`, the last two summed over the queries and the query heads of the group.
   * Returns `[dq [B,T,Nq,D], dk [B,S,Nkv,D], dv [B,S,Nkv,D]]`.
   */
  SdmCausalAttentionBackward: {
    inputs: {
      q: tf.Tensor;
      k: tf.Tensor;
      v: tf.Tensor;
      /** `[B,T,Nq,D]` */ out: tf.Tensor;
      /** `[B,T,Nq,D]` */ dOut: tf.Tensor;
      bias?: tf.Tensor;
    };
    attrs: { scale: number };
    outputs: [tf.Tensor, tf.Tensor, tf.Tensor];
  };

  /**
   * `SdmCausalAttention` of many sequences that lie one after another: each segment's own tokens are the queries, and the
   * tokens it sees, in order and its own last, the keys. A segment's result does not depend on the others.
   * Returns `out [1,N,Nq,D]`.
   */
  SdmSegmentedAttention: {
    inputs: {
      /** `[1,N,Nq,D]` */ q: tf.Tensor;
      /** `[1,N,Nkv,D]` */ k: tf.Tensor;
      /** `[1,N,Nkv,D]` */ v: tf.Tensor;
    };
    attrs: { scale: number; segments: readonly SegmentView[] };
    outputs: tf.Tensor;
  };

  /**
   * `a[n,f] = act(gate[n,f]) * up[n,f]`, times `mask[f]` if given. `silu(g) = g * sigmoid(g)`;
   * `gelu(g) = g/2 * (1 + erf(g / sqrt 2))`; `gelu_pytorch_tanh(g) = g/2 * (1 + tanh(sqrt(2/pi) * (g + 0.044715 g^3)))`;
   * `relu(g) = max(g, 0)`. Returns `a [N,F]`.
   */
  SdmGatedActivation: {
    inputs: { /** `[N,F]` */ gate: tf.Tensor; /** `[N,F]` */ up: tf.Tensor; /** `[F]` */ mask?: tf.Tensor };
    attrs: { activation: GatedActivationName };
    outputs: tf.Tensor;
  };

  /**
   * Gradient of `SdmGatedActivation` by `gate` and `up`; `dActivation` is the gradient by `a`. With
   * `m = mask` or 1: `dGate = dActivation * m * up * act'(gate)`, `dUp = dActivation * m * act(gate)`.
   * `relu'(0) = 0`. Returns `[dGate [N,F], dUp [N,F]]`.
   */
  SdmGatedActivationBackward: {
    inputs: {
      gate: tf.Tensor;
      up: tf.Tensor;
      /** `[N,F]` */ dActivation: tf.Tensor;
      mask?: tf.Tensor;
    };
    attrs: { activation: GatedActivationName };
    outputs: [tf.Tensor, tf.Tensor];
  };

  /**
   * First-order salience of every neuron of a gated MLP for one sample of `N` tokens:
   * `score[f] = mean_h | down[h,f] * sum_n activation[n,f] dy[n,h]
   *                     + up[f,h] * sum_n upGrad[n,f] x[n,h]
   *                     + gate[f,h] * sum_n gateGrad[n,f] x[n,h] |`.
   * The three sums are the weight gradients; hold no more of them than a tile of neurons. Returns `score [F]`.
   */
  SdmNeuronScore: {
    inputs: {
      /** `[N,H]`, input of the MLP */ x: tf.Tensor;
      /** `[N,F]`, input of the down projection */ activation: tf.Tensor;
      /** `[N,F]` */ gateGrad: tf.Tensor;
      /** `[N,F]` */ upGrad: tf.Tensor;
      /** `[N,H]`, gradient by the output of the MLP */ dy: tf.Tensor;
      /** `[F,H]` */ gate: tf.Tensor;
      /** `[F,H]` */ up: tf.Tensor;
      /** `[H,F]` */ down: tf.Tensor;
    };
    attrs: Record<string, never>;
    outputs: tf.Tensor;
  };

  /**
   * Takes one chunk of a row's logits into its running softmax statistics. With `z = logits * inverseTemperature`:
   * `max' = max(max, max_c z)`, `scale = exp(max - max')`, `sum' = sum * scale + sum_c exp(z - max')`, and if `weighted` is given
   * `weighted' = scale * (weighted + sum * (max - max')) + sum_c exp(z - max') * (z - max')`.
   * The first call gets `max = -1e30` (finite on purpose), `sum = 0`, `weighted = 0`.
   * After the last chunk `logsumexp = max + log(sum)` and the entropy of the softmax is `log(sum) - weighted / sum`.
   * Returns `[max' [N], sum' [N]]`, and third `weighted' [N]` if `weighted` was given.
   */
  SdmLogSumExpChunk: {
    inputs: {
      /** `[N,C]` */ logits: tf.Tensor;
      /** `[N]` */ max: tf.Tensor;
      /** `[N]` */ sum: tf.Tensor;
      /** `[N]` */ weighted?: tf.Tensor;
    };
    attrs: { inverseTemperature: number };
    outputs: tf.Tensor[];
  };

  /**
   * Gradient of the language-model loss by one chunk of logits, `q = exp(logits - max) / sum`:
   *
   * - `cross-entropy`: `dz = labelWeight * (q - onehot(labels))`. Returns `[dz [N,C]]`.
   * - `blend`: `dz = labelWeight * (q - onehot(labels)) + teacherWeight * (q - p)` with
   *   `p = exp(teacherLogits * inverseTemperature - teacherMax) / teacherSum`. Returns
   *   `[dz [N,C], kd [N]]`, where `kd[n] = sum_c p * (log p - log q)` is this chunk's share of the KL divergence,
   *   `log p = teacherLogits * inverseTemperature - teacherMax - log(teacherSum)` and `log q = logits - max - log(sum)`.
   * - `entropy`: `dz = -labelWeight * q * (log q + entropy)`. `labels` is not given. Returns `[dz [N,C]]`.
   *
   * The weights are per row and may be 0. `labels` counts from the start of the chunk; a label outside `[0, C)` is
   * in another chunk and has no one-hot here. `inverseTemperature` is 1 unless the kind is `blend`.
   */
  SdmLossGradientChunk: {
    inputs: {
      /** `[N,C]` */ logits: tf.Tensor;
      /** `[N]` */ max: tf.Tensor;
      /** `[N]` */ sum: tf.Tensor;
      /** `[N]` */ labelWeight: tf.Tensor;
      /** `[N]`, int32; not for `entropy` */ labels?: tf.Tensor;
      /** `[N,C]`, for `blend` */ teacherLogits?: tf.Tensor;
      /** `[N]`, for `blend` */ teacherMax?: tf.Tensor;
      /** `[N]`, for `blend` */ teacherSum?: tf.Tensor;
      /** `[N]`, for `blend` */ teacherWeight?: tf.Tensor;
      /** `[N]`, for `entropy` */ entropy?: tf.Tensor;
    };
    attrs: { kind: "cross-entropy" | "blend" | "entropy"; inverseTemperature: number };
    outputs: tf.Tensor[];
  };

  /**
   * One step of AdamW (Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101) in PyTorch's order of operations. With
   * `g = gradient * gradientScale`: `m' = m + (g - m) (1 - beta1)`, `v' = v beta2 + g^2 (1 - beta2)`,
   * `p' = p decay - stepSize m' / (sqrt(v') / rootCorrection + epsilon)`. Returns `[p', m', v']` of one shape.
   */
  SdmAdamW: {
    inputs: { parameter: tf.Tensor; gradient: tf.Tensor; m: tf.Tensor; v: tf.Tensor };
    attrs: AdamWAttributes;
    outputs: [tf.Tensor, tf.Tensor, tf.Tensor];
  };

  /**
   * `max[n] = max_c z[n,c]` and `sum_c exp(z[n,c] - max[n])`, added up in float64: `sum` is that in float32, and `rest` what
   * is missing. Returns `[max [N], sum [N], rest [N]]`.
   */
  SdmExpSum: {
    inputs: { /** `[N,C]` */ logits: tf.Tensor };
    attrs: Record<string, never>;
    outputs: tf.Tensor[];
  };

  /**
   * A new tensor whose values `fill` writes: all of them, at once, whatever was there before. For a backend that keeps
   * memory to use again. Returns `[...shape]`.
   */
  SdmFill: {
    inputs: Record<never, never>;
    attrs: { shape: readonly number[]; fill: (values: Float32Array) => void };
    outputs: tf.Tensor;
  };
}

/** Of a low-rank change of a linear layer. */
export interface AdapterAttributes {
  readonly scaling: number;
  /** Indices of values of `x`, rising; none if absent. */
  readonly dropped?: Int32Array;
}

/** Numbers of one step of AdamW. */
export interface AdamWAttributes {
  readonly gradientScale: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** `1 - learningRate * weightDecay` */
  readonly decay: number;
  /** `learningRate / (1 - beta1^t)` */
  readonly stepSize: number;
  /** `sqrt(1 - beta2^t)` */
  readonly rootCorrection: number;
}

/** A run of tokens: the first one, and the one after the last. */
export type TokenRange = readonly [start: number, end: number];

/** Where a packed segment's tokens lie, and the tokens that it sees. */
export interface SegmentView {
  readonly own: TokenRange;
  /** In order, its own last. */
  readonly seen: readonly TokenRange[];
}

export type FusedKernelName = keyof FusedKernels;

/** Activation of a gated MLP, by its name in `config.json` (`hidden_act`). */
export type GatedActivationName = "silu" | "gelu" | "gelu_pytorch_tanh" | "relu";

/** Every fused kernel's name. */
export const FUSED_KERNEL_NAMES = [
  "SdmRmsNorm",
  "SdmRmsNormBackward",
  "SdmRotary",
  "SdmAdaptedLinear",
  "SdmAdaptedLinearBackward",
  "SdmCausalAttention",
  "SdmCausalAttentionBackward",
  "SdmSegmentedAttention",
  "SdmGatedActivation",
  "SdmGatedActivationBackward",
  "SdmNeuronScore",
  "SdmLogSumExpChunk",
  "SdmLossGradientChunk",
  "SdmAdamW",
  "SdmExpSum",
  "SdmFill",
] as const satisfies readonly FusedKernelName[];

/**
 * Runs a fused kernel on the active backend.
 *
 * @returns Its outputs, which the caller disposes; `undefined` if the backend has no such kernel.
 */
export function runFused<K extends FusedKernelName>(
  name: K,
  inputs: FusedKernels[K]["inputs"],
  attrs: FusedKernels[K]["attrs"],
): FusedKernels[K]["outputs"] | undefined {
  if (!tf.getKernel(name, tf.getBackend())) return undefined;
  const given = Object.entries<tf.Tensor | undefined>(inputs).filter(([, tensor]) => tensor !== undefined);
  const outputs: unknown = tf
    .engine()
    .runKernel(name, Object.fromEntries(given) as tf.NamedTensorMap, attrs as unknown as tf.NamedAttrMap);
  return outputs as FusedKernels[K]["outputs"];
}
