import {
  forwardBackward,
  type BlockObserver,
  type CausalLM,
  type ForwardBackwardRequest,
} from "@sdmprune/models";
import { languageModelLoss, type LanguageModelLoss, readFloat64, tf, type LossSpec } from "@sdmprune/tensor";

export interface Gradients {
  readonly loss: number;
  /** By parameter name. */
  readonly weights: ReadonlyMap<string, Float64Array>;
  /** By the embedding's output; `[N, H]`. */
  readonly input: Float64Array;
  /** Names in the order in which they were shown. */
  readonly order: readonly string[];
}

/** All gradients of one pass, as float64. */
export async function collectGradients(
  model: CausalLM,
  ids: Int32Array,
  batch: number,
  {
    loss = { kind: "cross-entropy" },
    teacher,
    ...rest
  }: { loss?: LossSpec; teacher?: tf.Tensor2D } & Partial<ForwardBackwardRequest<LanguageModelLoss>> = {},
): Promise<Gradients> {
  const kept = new Map<string, tf.Tensor>();
  let input: tf.Tensor | undefined;
  const observer: BlockObserver = {
    wantsWeight: () => true,
    weight: (name, gradient) => void kept.set(name, tf.clone(gradient)),
  };
  const result = await forwardBackward(model, {
    ...rest,
    ids,
    batch,
    observer,
    onInputGradient: (gradient) => (input = tf.clone(gradient)),
    lossFn:
      rest.lossFn ??
      ((options) =>
        languageModelLoss({
          ...options,
          loss,
          ...(teacher && { teacher: { hidden: teacher, head: model.head } }),
        })),
  });
  const weights = new Map<string, Float64Array>();
  for (const [name, tensor] of kept) weights.set(name, await readFloat64(tensor));
  const gradients = { loss: result.loss, weights, input: await readFloat64(input!), order: [...kept.keys()] };
  tf.dispose([...kept.values(), input!]);
  return gradients;
}

/** Largest difference, relative to the largest expected value. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(actual[i]! - expected[i]!));
    size = Math.max(size, Math.abs(expected[i]!));
  }
  return actual.length === expected.length ? difference / size : Infinity;
}
