import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openCheckpoint } from "@sdmprune/model-io/node";
import { prune, score, type PruneRequest } from "@sdmprune/recipes";
import { tinyLlama } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import { createHost } from "../src/create-host.js";
import { folderContents, temporaryFolder } from "./folder-contents.js";

const root = temporaryFolder();
const source = join(root, "model");

beforeAll(async () => {
  await tinyLlama({ biases: true, dtype: "BF16" }).write(source);
  const text = Array.from({ length: 30 }, (_, i) => `Once there were ${i} foxes in a wood.`).join("\n\n");
  writeFileSync(join(root, "text.txt"), text);
});

const calibration = { source: join(root, "text.txt"), nsamples: 4, seqlen: 16 };

async function pruned(
  name: string,
  method: string,
  {
    seed = 0,
    signal,
    steps = 20,
    ...more
  }: Partial<PruneRequest> & { seed?: number; signal?: AbortSignal; steps?: number } = {},
): Promise<string> {
  const run = (await createHost()).createRun({ seed, ...(signal && { signal }) });
  const output = join(root, name);
  const { methodOptions, ...request } = more;
  try {
    await prune(run, {
      model: source,
      output,
      method,
      width: 16,
      calibration,
      methodOptions: { steps, ...methodOptions },
      ...request,
    });
  } finally {
    await run.dispose();
  }
  return output;
}

const manifestOf = (folder: string): { edited_tensors?: string[]; method_options: object } =>
  JSON.parse(readFileSync(join(folder, "pruning_manifest.json"), "utf8")) as never;

describe.each(["lora-prune", "compresso"])("the training method %s", (method) => {
  it("gives the same bytes for the same seed, and others for another", async () => {
    const [first, again, other] = [
      await pruned(`${method}-1`, method),
      await pruned(`${method}-2`, method),
      await pruned(`${method}-3`, method, { seed: 1 }),
    ];
    expect(folderContents(again)).toEqual(folderContents(first));
    expect(folderContents(other).get("model.safetensors")).not.toBe(
      folderContents(first).get("model.safetensors"),
    );
  });

  it("changes weights in the dtype of the checkpoint, and says which", async () => {
    const folder = await pruned(`${method}-edits`, method, { methodOptions: { lr: 1e-2 } });
    const [before, after] = [await openCheckpoint(source), await openCheckpoint(folder)];
    const { edited_tensors: edited = [] } = manifestOf(folder);
    const name = "model.layers.1.self_attn.q_proj.weight";
    expect(edited).toContain(name);
    for (const each of after.tensorNames()) expect(after.info(each).dtype).toBe("BF16");
    expect(await after.read(name)).not.toEqual(await before.read(name));
    const untouched = "model.embed_tokens.weight";
    expect(edited).not.toContain(untouched);
    expect(await after.read(untouched)).toEqual(await before.read(untouched));
  });

  it("leaves nothing behind when it is interrupted", async () => {
    const controller = new AbortController();
    const running = pruned(`${method}-stopped`, method, { signal: controller.signal, steps: 100_000 });
    setTimeout(() => controller.abort(), 500);
    await expect(running).rejects.toThrow("Interrupted.");
    expect(readdirSync(root).filter((name) => name.includes("stopped"))).toEqual([]);
  });

  it("cannot take its scores from a file, and says what to do", async () => {
    const folder = await pruned(`${method}-scored`, method);
    const scores = join(folder, "pruning/scores.safetensors");
    expect(existsSync(scores)).toBe(true);
    await expect(pruned(`${method}-x`, method, { scores })).rejects.toThrow(
      `scores.safetensors: stage 1 (${method}) trains the model while it prunes, which scores of a file cannot replace. Leave out --scores and give --calibration FILE.`,
    );
  });
});

describe("lora-prune", () => {
  it("leaves kept neurons as they were, bit for bit, without merging", async () => {
    const folder = await pruned("not-merged", "lora-prune", { methodOptions: { merge: false } });
    expect(manifestOf(folder).edited_tensors).toBeUndefined();
    const name = "model.layers.0.self_attn.v_proj.weight";
    const [before, after] = [await openCheckpoint(source), await openCheckpoint(folder)];
    expect(await after.read(name)).toEqual(await before.read(name));
  });

  it("leaves layers whole that it is told to skip", async () => {
    const folder = await pruned("skipped", "lora-prune", {
      methodOptions: { skipLayers: [0] },
      exportForm: "heterogeneous",
    });
    const { layers } = JSON.parse(readFileSync(join(folder, "pruning_manifest.json"), "utf8")) as {
      layers: { intermediate_size: number }[];
    };
    expect(layers.map((layer) => layer.intermediate_size)).toEqual([24, 8]); // 2 * 16 = 24 + 8
  });

  it("sets its widths itself", async () => {
    await expect(pruned("global", "lora-prune", { allocation: "global" })).rejects.toThrow(
      'allocation: method "lora-prune" with these options sets the widths itself and needs "uniform", got "global".',
    );
  });
});

describe("compresso", () => {
  it("is no criterion, and says where its scores are", async () => {
    const run = (await createHost()).createRun();
    const request = {
      model: source,
      importances: ["compresso"],
      output: join(root, "s.safetensors"),
      calibration,
    };
    await expect(score(run, request)).rejects.toThrow(
      'importance "compresso": is a method, without a criterion that scores by itself. Use prune --method compresso: its scores are in pruning/scores.safetensors of the output.',
    );
    await run.dispose();
  });

  it("folds its soft masks into gate and up, biases too, and leaves down alone", async () => {
    const folder = await pruned("folded", "compresso", { methodOptions: { merge: false } });
    expect(manifestOf(folder).edited_tensors).toEqual(
      [0, 1].flatMap((layer) =>
        ["gate", "up"].flatMap((part) =>
          ["bias", "weight"].map((kind) => `model.layers.${layer}.mlp.${part}_proj.${kind}`),
        ),
      ),
    );
  });
});
