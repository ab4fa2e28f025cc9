import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import onnxPlugin from "@sdmprune/backend-onnx";
import { Host } from "@sdmprune/core";
import { openCheckpoint, openTokenizer } from "@sdmprune/model-io/node";
import { llamaFamily, type CausalLM } from "@sdmprune/models";
import { selectBackend } from "@sdmprune/tensor";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { causalLMScorer } from "../src/causal-lm.js";
import { perplexity, type PerplexityBos } from "../src/index.js";

interface Fixture {
  bosTokenId: number;
  cases: {
    bytes: number;
    sha256: string;
    textTokens: number;
    perplexity: number;
    nll: number;
    tokens: number;
    window: number;
    stride: number;
    bos: PerplexityBos;
  }[];
}

const root = join(import.meta.dirname, "../../..");
const shared = process.env["SDMPRUNE_SHARED"] ?? join(root, "../shared");
const folder = join(shared, "checkpoints/stories260K");
const textFile = join(shared, "data/tinystories/tinystories_sample.txt");
const isThere = existsSync(folder) && existsSync(textFile);

/** Of tools/reference: transformers on PyTorch, float32. */
const { cases, bosTokenId } = JSON.parse(
  readFileSync(join(import.meta.dirname, "fixtures/stories260k-perplexity.json"), "utf8"),
) as Fixture;
describe.skipIf(!isThere)("perplexity of stories260K (skipped without SDMPRUNE_SHARED)", () => {
  let model: CausalLM;
  beforeAll(async () => {
    await selectBackend(new Host().use(onnxPlugin).registries); // the plain engine takes minutes
    const checkpoint = await openCheckpoint(folder);
    model = await llamaFamily.load(checkpoint, llamaFamily.parseConfig(checkpoint.config), {});
  });
  afterAll(() => model.dispose());

  it.each(
    cases.filter(({ bytes, window, stride, bos }) => stride <= window && (bytes < 8000 || bos === "first")),
  )(
    "equals that of transformers on $bytes bytes, window $window, stride $stride, bos $bos",
    async ({ bytes, sha256, textTokens, window, stride, bos, ...expected }) => {
      const data = readFileSync(textFile).subarray(0, bytes);
      expect(createHash("sha256").update(data).digest("hex")).toBe(sha256);
      const tokenizer = await openTokenizer(folder);
      const ids = tokenizer.encode(data.toString("utf8"), { addSpecialTokens: false });
      expect(ids).toHaveLength(textTokens);
      const result = await perplexity(causalLMScorer(model), ids, { window, stride, bos, bosTokenId });
      expect(result.tokens).toBe(expected.tokens);
      expect(Math.abs(result.nll - expected.nll)).toBeLessThan(2e-6);
      expect(Math.abs(result.perplexity - expected.perplexity)).toBeLessThan(2e-5);
    },
  );
});
