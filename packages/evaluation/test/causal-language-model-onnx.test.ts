import onnxPlugin from "@sdmprune/backend-onnx";
import { Host, Rng } from "@sdmprune/core";
import { loadTokenizer } from "@sdmprune/model-io";
import { llamaFamily, type CausalLM } from "@sdmprune/models";
import { selectBackend } from "@sdmprune/tensor";
import { byteTokenizerFiles, tinyLlama } from "@sdmprune/test-utils";
import { afterAll, beforeAll, expect, it } from "vitest";
import { causalLanguageModel } from "../src/causal-lm.js";

let model: CausalLM;
beforeAll(async () => {
  await selectBackend(new Host().use(onnxPlugin).registries, { name: "onnx" });
  const { config, source } = tinyLlama({ biases: true, tied: false });
  model = await llamaFamily.load(source, llamaFamily.parseConfig(config));
});
afterAll(() => model.dispose());

it("on the native engine, too, a request's bits do not depend on what it is batched with", async () => {
  const files = byteTokenizerFiles();
  const tokenizer = loadTokenizer(
    JSON.parse(files["tokenizer.json"]),
    JSON.parse(files["tokenizer_config.json"]),
  );
  const rng = new Rng(3);
  const text = (length: number) =>
    Array.from({ length }, () => String.fromCharCode(97 + rng.integer(26))).join("");
  // Contexts from nothing to beyond the 128 positions, each with continuations of 1 to 20 bytes.
  const requests = Array.from({ length: 24 }, (_, d) => text((d * 7) % 150)).flatMap((context) =>
    Array.from({ length: 1 + rng.integer(4) }, () => ({
      context,
      continuation: ` ${text(rng.integer(20))}`,
    })),
  );
  const run = (batchSize: number | "auto", asked = requests) =>
    causalLanguageModel(model, tokenizer, { batchSize, addBos: true }).loglikelihood(asked);
  const together = await run("auto");
  for (const batchSize of [1, 4, 32]) expect(await run(batchSize)).toEqual(together);
  for (const i of [0, 9, requests.length - 1]) expect(await run(1, [requests[i]!])).toEqual([together[i]]);
});
