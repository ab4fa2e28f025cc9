import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openCheckpoint, openTokenizer } from "@sdmprune/model-io/node";
import { llamaFamily } from "@sdmprune/models";
import { describe, expect, it } from "vitest";
import { generateStories } from "./corpus.js";
import { demoTokenizer } from "./demo-tokenizer.js";
import { trainTrigram, trigramPerplexity } from "./ngram.js";
import { CONTEXT, MODEL_CONFIG, SEED, TRAINING, VOCAB_SIZE } from "./settings.js";
import { encodeStories } from "./training-windows.js";

const folder = fileURLToPath(new URL("../../packages/cli/demo-model", import.meta.url));
const read = (name: string): Promise<string> => readFile(join(folder, name), "utf8");

describe("the committed demo model", () => {
  it("takes less than 8 MB with its texts and log", async () => {
    const sizes = await Promise.all(
      (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size),
    );
    expect(sizes.reduce((a, b) => a + b, 0)).toBeLessThan(8e6);
  });

  it("has the config and the tokenizer that the tools make", async () => {
    expect(JSON.parse(await read("config.json"))).toEqual(MODEL_CONFIG);
    const { tokenizer, config } = demoTokenizer();
    expect(JSON.parse(await read("tokenizer.json"))).toEqual(tokenizer);
    expect(JSON.parse(await read("tokenizer_config.json"))).toEqual(config);
  });

  it("has 1 to 3 million parameters in bfloat16, more than 70 % of them in the MLPs", async () => {
    const checkpoint = await openCheckpoint(folder);
    let total = 0;
    let mlp = 0;
    for (const { name, shape } of llamaFamily.expectedTensors(llamaFamily.parseConfig(MODEL_CONFIG))) {
      const info = checkpoint.info(name);
      expect([info.dtype, info.shape]).toEqual(["BF16", shape]);
      const size = shape.reduce((a, b) => a * b, 1);
      total += size;
      if (name.includes(".mlp.")) mlp += size;
    }
    expect(total).toBeGreaterThan(1e6);
    expect(total).toBeLessThan(3e6);
    expect(mlp / total).toBeGreaterThan(0.7);
  });

  it("was trained for as many steps as the settings say, to at most half of the 3-gram's perplexity", async () => {
    const lines = (await read("training-log.jsonl")).trim().split("\n");
    const last = JSON.parse(lines.at(-1)!) as { step: number; tokens: number; heldoutLoss: number };
    expect(last.step).toBe(TRAINING.numSteps);
    expect(last.tokens).toBe(TRAINING.numSteps * TRAINING.batch * CONTEXT);

    const tokenizer = await openTokenizer(folder);
    const encode = encodeStories(tokenizer, generateStories({ seed: SEED, split: "training" }), 1e6);
    const heldout = tokenizer.encode(await read("heldout.txt"), { addSpecialTokens: false });
    // A quarter of the training text: more makes the 3-gram better by less than 3 %.
    const trigram = trigramPerplexity(trainTrigram(encode.ids, VOCAB_SIZE), heldout);
    expect(Math.exp(last.heldoutLoss)).toBeLessThan((trigram * 0.97) / 2);
  });
});
