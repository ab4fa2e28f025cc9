import type { SweepSample } from "@sdmprune/importance";
import type { CausalLMConfig } from "@sdmprune/models/families";
import { countParameters, type ModelShape } from "@sdmprune/pruning";
import { tf } from "@sdmprune/tensor";

/** What a pass over a sample computes, on top of the forward pass of the student. */
export interface SweepWork {
  readonly backward: boolean;
  readonly teacher: boolean;
  /** Whether the backward pass runs the blocks forward once more. */
  readonly recompute: boolean;
}

/**
 * Floating-point operations of a sweep: 2 per parameter and token for a forward pass, as many again for the gradients
 * of activations, and for those of the MLPs' weights; attention scores besides.
 */
export function sweepFlops(
  config: CausalLMConfig,
  shape: ModelShape,
  samples: readonly SweepSample[],
  { backward, teacher, recompute }: SweepWork,
): number {
  const { nonEmbedding, mlp } = countParameters(shape);
  const head = config.vocabSize * config.hiddenSize;
  return samples.reduce((sum, { ids }) => {
    const attention = 2 * ids.length * config.hiddenSize * config.numLayers; // QK and PV, half of it masked
    const forward = 2 * (nonEmbedding + head + attention);
    const perToken =
      forward * (1 + [backward, teacher, recompute].filter(Boolean).length) + (backward ? 2 * mlp : 0);
    return sum + ids.length * perToken;
  }, 0);
}

/** Products measured; the quickest counts. */
const PROBES = 6;

/** Share of the rate of large matrix products that whole passes reach. */
const EFFICIENCY = 0.6;

/** Seconds a sweep will take on the active backend, from a short measurement of its matrix products. */
export async function estimateSweepSeconds(
  config: CausalLMConfig,
  shape: ModelShape,
  samples: readonly SweepSample[],
  work: SweepWork,
): Promise<number> {
  const longest = Math.max(...samples.map(({ ids }) => ids.length));
  const rate = await measureMatMulRate(Math.min(longest, 512), config.hiddenSize, Math.max(...shape.widths));
  return sweepFlops(config, shape, samples, work) / (EFFICIENCY * rate);
}

/** Floating-point operations per second of `[T, H] x [H, F]`. */
async function measureMatMulRate(t: number, h: number, f: number): Promise<number> {
  const x = tf.ones([t, h]);
  const w = tf.ones([f, h]);
  const once = async (): Promise<number> => {
    const start = performance.now();
    const y = tf.tidy(() => tf.sum(tf.matMul(x, w, false, true)));
    await y.data();
    y.dispose();
    return performance.now() - start;
  };
  try {
    const times: number[] = [];
    for (let i = 0; i < PROBES; i++) times.push(await once());
    const ms = Math.min(...times); // the first ones compile and fault memory in
    return (2 * t * h * f) / (ms / 1000);
  } finally {
    tf.dispose([x, w]);
  }
}
