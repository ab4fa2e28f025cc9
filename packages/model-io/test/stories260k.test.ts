import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { serializeSafetensors } from "@sdmprune/model-io";
import { openCheckpoint, openTokenizer } from "@sdmprune/model-io/node";
import { describe, expect, it } from "vitest";

const shared = process.env.SDMPRUNE_SHARED ?? resolve(import.meta.dirname, "../../../../shared");
const dir = join(shared, "checkpoints/stories260K");

describe.skipIf(!existsSync(dir))("stories260K (skipped without the shared checkpoints)", () => {
  it("tokenizes the golden prompt and decodes the golden text", async () => {
    const golden = JSON.parse(readFileSync(join(dir, "golden.json"), "utf8")) as {
      prompt: string;
      ids: number[];
      greedy_from_bos: number[];
      greedy_text: string;
    };
    const tokenizer = await openTokenizer(dir);
    expect(tokenizer.encode(golden.prompt).slice(0, golden.ids.length)).toEqual(golden.ids);
    const text = tokenizer.decode(golden.greedy_from_bos, { skipSpecialTokens: true });
    expect(text.trimStart()).toBe(golden.greedy_text.trimStart());
    expect(tokenizer.bosTokenId).toBe(1);
    expect(tokenizer.vocabSize).toBe(512);
  });

  it("serializes its tensors to the file they came from", async () => {
    const checkpoint = await openCheckpoint(dir);
    expect(checkpoint.isTied).toBe(true);
    const tensors = checkpoint.tensorNames().map((name) => ({
      ...checkpoint.info(name),
      data: () => checkpoint.read(name),
    }));
    const file = readFileSync(join(dir, "model.safetensors"));
    expect(Buffer.from(await serializeSafetensors(tensors)).equals(file)).toBe(true);
  });
});
