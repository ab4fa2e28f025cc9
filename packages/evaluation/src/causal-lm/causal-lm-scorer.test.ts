import { forwardHidden, headLogits, llamaFamily, type CausalLM } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import { activateCpuBackend, tinyLlama } from "@sdmprune/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { perplexity } from "../perplexity.js";
import { causalLMScorer } from "./causal-lm-scorer.js";

describe("causalLMScorer", () => {
  const ids = Int32Array.from([7, 3, 3, 120, 0, 64, 9, 200, 31, 5]);
  let model: CausalLM;

  beforeAll(async () => {
    await activateCpuBackend();
    const { config, source } = tinyLlama();
    model = await llamaFamily.load(source, llamaFamily.parseConfig(config), {});
  });
  afterAll(() => model.dispose());

  /** log softmax of the model's logits in float64, at each token that follows another. */
  async function expectedLogProbs(): Promise<number[]> {
    const hidden = await forwardHidden(model, ids, 1);
    const logits = await headLogits(model.head, hidden);
    const rows = await logits.array();
    tf.dispose([hidden, logits]);
    return Array.from(ids.subarray(1), (id, t) => {
      const row = rows[t]!;
      const max = Math.max(...row);
      return row[id]! - max - Math.log(row.reduce((sum, z) => sum + Math.exp(z - max), 0));
    });
  }

  it("gives the log-softmax of the logits at every token after the context", async () => {
    const expected = await expectedLogProbs();
    const scorer = causalLMScorer(model);
    for (const numContext of [1, 4, ids.length - 1]) {
      const logProbs = await scorer.score(ids, numContext);
      expect(logProbs).toHaveLength(ids.length - numContext);
      logProbs.forEach((logProb, i) => expect(logProb).toBeCloseTo(expected[numContext - 1 + i]!, 5));
    }
  });

  it("serves perplexity, with the model's longest sequence as the limit of the window", async () => {
    const expected = await expectedLogProbs();
    const scorer = causalLMScorer(model);
    expect(scorer.maxLength).toBe(model.config.maxPositionEmbeddings);
    const { nll, tokens } = await perplexity(scorer, ids);
    expect(tokens).toBe(9);
    expect(nll).toBeCloseTo(-expected.reduce((a, b) => a + b) / 9, 5);
    await expect(perplexity(causalLMScorer(model, { maxLength: 4 }), ids, { window: 5 })).rejects.toThrow(
      "window: expected at most 4, the model's longest sequence, got 5.",
    );
  });

  it("leaves no tensor behind, whether it succeeds or fails", async () => {
    const scorer = causalLMScorer(model);
    await scorer.score(ids, 1);
    const before = tf.memory().numTensors;
    await scorer.score(ids, 2);
    await expect(scorer.score(Int32Array.from([1, 999_999]), 1)).rejects.toThrow("999999");
    await expect(causalLMScorer(model, { signal: AbortSignal.abort() }).score(ids, 1)).rejects.toThrow(
      "Interrupted",
    );
    expect(tf.memory().numTensors).toBe(before);
  });

  it("refuses a context that leaves nothing to score", async () => {
    await expect(causalLMScorer(model).score(ids, ids.length)).rejects.toThrow(
      "causalLMScorer: expected numContext from 1 to 9 for 10 ids, got 10.",
    );
  });
});
