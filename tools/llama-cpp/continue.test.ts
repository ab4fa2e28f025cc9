import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { convert, generateText, prune } from "@sdmprune/recipes";
import { createHost } from "sdmprune";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const HERE = import.meta.dirname;
const DEMO = join(HERE, "../../packages/cli/demo-model");
const PROMPT = "Once upon a time, there was a teacher with 123 books";
const TOKENS = 48;
const isInstalled = existsSync(join(HERE, "node_modules/node-llama-cpp"));

interface Continuation {
  readonly bos: number[];
  readonly textIds: number[];
  readonly ids: number[];
}

/** llama.cpp comes from npm and has a folder of its own: npm install --no-save --prefix tools/llama-cpp. */
describe.skipIf(!isInstalled)(
  "llama.cpp continues an exported GGUF file as generate continues the checkpoint",
  () => {
    let root: string;
    beforeAll(async () => {
      root = await mkdtemp(join(tmpdir(), "sdmprune-llama-cpp-"));
    });
    afterAll(() => rm(root, { recursive: true }));

    it.each(["F32", "F16"] as const)("a model pruned by 30 per cent of its MLPs, in %s", async (type) => {
      const run = (await createHost()).createRun({ seed: 0 });
      try {
        const pruned = join(root, `pruned-${type}`);
        await prune(run, {
          model: DEMO,
          output: pruned,
          method: "magnitude",
          pruningRatio: 0.3,
          ratioOf: "mlp",
        });
        const gguf = join(root, `${type}.gguf`);
        await convert(run, { input: pruned, output: gguf, type });
        const ours = await generateText(run, { model: pruned, prompt: PROMPT, maxTokens: TOKENS });
        const args = [join(HERE, "continue.js"), gguf, PROMPT, String(TOKENS)];
        const { stdout } = await promisify(execFile)(process.execPath, args);
        const theirs = JSON.parse(stdout) as Continuation;
        expect([...theirs.bos, ...theirs.textIds]).toEqual(ours.promptIds);
        expect(theirs.ids).toEqual(ours.ids);
        expect(ours.ids.length).toBe(TOKENS);
      } finally {
        await run.dispose();
      }
    });
  },
);
