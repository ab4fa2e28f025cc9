import { silentProgress } from "@sdmprune/core";
import {
  calibrationSweep,
  createSelfDistillation,
  createTaylor,
  type SweepSample,
} from "@sdmprune/importance";
import { llamaFamily } from "@sdmprune/models";
import { selectNeurons } from "@sdmprune/pruning";
import { tf } from "@sdmprune/tensor";
import { firstStageWidth, importanceFlops } from "./importance-flops.js";
import { randomLlamaSource } from "./random-llama.js";
import type { ModelShape } from "./shapes.js";
import type { Case, PreparedCase } from "./take-turns.js";

const ALPHA = 0.4;
const TAU = 0.2;
/** As a prune keeps them where there is room; the peer keeps all. */
const KEEP_LOGITS_BYTES = 2 ** 31;
const WARM_UP_TOKENS = 128;

/**
 * Both stages of SDMPrune: one-hot Taylor scores of a whole model, the cut to 39 of 40 neurons, and self-distillation
 * scores of what is left against the final hidden states that the whole model put out in the first stage.
 *
 * @param name - Of the case.
 * @param warmUpTokens - Of the one sample of the untimed pass before.
 */
export function importanceCase(
  shape: ModelShape,
  name = `importance/${shape.name}`,
  warmUpTokens = WARM_UP_TOKENS,
): Case {
  const { samples, tokens, layers } = shape;
  return {
    name,
    what: `both stages of SDMPrune, ${samples} ${samples === 1 ? "sample" : "samples"} of ${tokens} tokens, ${layers} layers`,
    flops: importanceFlops(shape),
    tokens: samples * tokens,
    isAlone: true,
    gemm: [tokens, shape.hidden, shape.intermediate],
    ...(shape.isLong && { repetitions: 1 }),
    setUp: () => setUpImportance(shape, warmUpTokens),
  };
}

async function setUpImportance(shape: ModelShape, warmUpTokens: number): Promise<PreparedCase> {
  const { source, config } = randomLlamaSource(shape);
  const whole = await llamaFamily.load(source, config);
  const sampleOf = (n: number, length: number): SweepSample => ({
    ids: Int32Array.from({ length }, (_, t) => (7919 * (n * length + t)) % shape.vocab),
    document: `${n}`,
    offset: 0,
  });
  const pass = async (samples: readonly SweepSample[]): Promise<void> => {
    const hidden: tf.Tensor2D[] = [];
    const common = { samples, progress: silentProgress, keepLogitsBytes: KEEP_LOGITS_BYTES };
    const taylor = await calibrationSweep({
      ...common,
      student: whole,
      criteria: new Map([["taylor", createTaylor()]]),
      onFinalHidden: (i, states) => void (hidden[i] = tf.clone(states)),
    });
    const width = firstStageWidth(shape);
    const view = taylor.get("taylor")!.map((scores) => selectNeurons(scores, width));
    const student = await llamaFamily.load(source, config, { view, shareWith: whole });
    try {
      await calibrationSweep({
        ...common,
        student,
        criteria: new Map([
          ["self-distillation", createSelfDistillation({ loss: "blend", alpha: ALPHA, tau: TAU })],
        ]),
        teacher: {
          head: whole.head,
          finalHidden: (batch) =>
            Promise.resolve(batch.samples.map((_, i) => tf.clone(hidden[batch.start + i]!))),
        },
      });
    } finally {
      student.dispose();
      tf.dispose(hidden);
    }
  };
  const samples = Array.from({ length: shape.samples }, (_, n) => sampleOf(n, shape.tokens));
  return {
    warmUp: () => pass([sampleOf(0, Math.min(warmUpTokens, shape.tokens))]),
    run: () => pass(samples),
    dispose: () => whole.dispose(),
  };
}
