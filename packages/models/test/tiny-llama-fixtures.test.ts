import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { openCheckpoint } from "@sdmprune/model-io/node";
import { forwardHidden, generate, headLogits, llamaFamily, type CausalLM } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import { activateCpuBackend } from "@sdmprune/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { collectGradients, relativeError } from "./collect-gradients.js";

// Made by tools/reference/tiny_llama.py and tiny_llama_scores.py with PyTorch in float64; the files name versions and seed.
const packages = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

interface Array64 {
  readonly shape: number[];
  readonly values: number[];
}
interface Fixture {
  readonly sequences: number[][];
  readonly logits: Array64;
  readonly gradients: Record<
    "crossEntropy" | "blend",
    { loss: number; embeddingOutput: Array64; weights: Record<string, Array64> }
  >;
  readonly sdmprune: {
    readonly stage1: { readonly kept: number[][] };
    readonly stage2: { readonly losses: number[] };
  };
  readonly greedy: { readonly prompt: number[]; readonly continuation: number[] };
  readonly alpha: number;
  readonly tau: number;
}

describe.each(["tiny-llama", "tiny-llama-tied"])("%s, against PyTorch in float64", (name) => {
  const fixture = JSON.parse(
    readFileSync(join(packages, `importance/test/fixtures/${name}-scores.json`), "utf8"),
  ) as Fixture;
  const blend = { kind: "blend", alpha: fixture.alpha, tau: fixture.tau } as const;
  const ids = Int32Array.from(fixture.sequences[0]!);
  const load = async (view?: Int32Array[]): Promise<CausalLM> => {
    const checkpoint = await openCheckpoint(join(packages, "test-utils/fixtures", name));
    return llamaFamily.load(checkpoint, llamaFamily.parseConfig(checkpoint.config), view && { view });
  };
  let model: CausalLM;

  beforeAll(async () => {
    await activateCpuBackend();
    model = await load();
  });
  afterAll(() => model.dispose());

  it("gives the same logits", async () => {
    const hidden = await forwardHidden(model, ids, 1);
    const logits = await headLogits(model.head, hidden);
    expect(logits.shape).toEqual(fixture.logits.shape);
    expect(relativeError(await logits.data(), fixture.logits.values)).toBeLessThan(1e-5);
    tf.dispose([hidden, logits]);
  });

  it.each([false, true])(
    "gives the same gradients of every parameter by cross-entropy (recompute: %s)",
    async (recompute) => {
      const expected = fixture.gradients.crossEntropy;
      const { loss, weights, input } = await collectGradients(model, ids, 1, { recompute });
      expect(loss).toBeCloseTo(expected.loss, 5);
      expect([...weights.keys()].sort()).toEqual(Object.keys(expected.weights).sort());
      for (const [weight, { values }] of Object.entries(expected.weights)) {
        expect(relativeError(weights.get(weight)!, values), weight).toBeLessThan(1e-4);
      }
      expect(relativeError(input, expected.embeddingOutput.values)).toBeLessThan(1e-4);
    },
  );

  it("gives the same gradients by the blend with itself as the teacher", async () => {
    const expected = fixture.gradients.blend;
    const teacher = await forwardHidden(model, ids, 1);
    const { loss, weights, input } = await collectGradients(model, ids, 1, { loss: blend, teacher });
    expect(loss).toBeCloseTo(expected.loss, 5);
    for (const [weight, { values }] of Object.entries(expected.weights)) {
      expect(relativeError(weights.get(weight)!, values), weight).toBeLessThan(1e-4);
    }
    expect(relativeError(input, expected.embeddingOutput.values)).toBeLessThan(1e-4);
    teacher.dispose();
  });

  it("gives the same losses of a student that is a view of the checkpoint, against the dense teacher", async () => {
    const { stage1, stage2 } = fixture.sdmprune;
    const student = await load(stage1.kept.map((kept) => Int32Array.from(kept)));
    expect(student.config.intermediateSizes).toEqual([46, 46]);
    for (const [i, sequence] of fixture.sequences.entries()) {
      const sample = Int32Array.from(sequence);
      const teacher = await forwardHidden(model, sample, 1);
      const { loss, weights } = await collectGradients(student, sample, 1, { loss: blend, teacher });
      expect(loss).toBeCloseTo(stage2.losses[i]!, 5);
      expect(weights.get("model.layers.0.mlp.down_proj.weight")).toHaveLength(32 * 46);
      teacher.dispose();
    }
    student.dispose();
  });

  it("continues the prompt by the same tokens", async () => {
    const { prompt, continuation } = fixture.greedy;
    const { ids: generated } = await generate(model, prompt, {
      maxTokens: continuation.length,
      eosTokenIds: [],
    });
    expect(generated).toEqual(continuation);
  });
});
