import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../test/temporary-folder.js";
import { TINY_CONFIG, tinyTensors, writeSideFiles } from "../../test/tiny-checkpoint.js";
import { editConfig } from "../edit-config.js";
import { openCheckpoint } from "./folder-checkpoint.js";
import { writeCheckpoint } from "./write-checkpoint.js";

describe("writeCheckpoint", () => {
  it("round-trips the tensors of a sharded BF16 checkpoint bit for bit, in any sharding", async () => {
    const root = await temporaryFolder();
    const tensors = tinyTensors();
    await writeCheckpoint(join(root, "sharded"), { config: TINY_CONFIG, tensors, maxShardBytes: 700 });
    const sharded = await openCheckpoint(join(root, "sharded"));
    expect(sharded.weightFiles.length).toBe(3);
    expect(await readdir(sharded.dir)).not.toContain("model.safetensors");

    const copies = sharded.tensorNames().map((name) => ({
      ...sharded.info(name),
      data: () => sharded.read(name),
    }));
    await writeCheckpoint(join(root, "single"), { config: sharded.configText, tensors: copies });
    const single = await openCheckpoint(join(root, "single"));
    expect(await readdir(single.dir)).toEqual(["config.json", "model.safetensors"]);
    expect(single.configText).toBe(TINY_CONFIG);
    for (const { name, data } of tensors)
      expect(Buffer.from(await single.read(name)).equals(await data())).toBe(true);
  });

  it("carries over what belongs to the model and nothing else", async () => {
    const root = await temporaryFolder();
    const dir = join(root, "original");
    await writeCheckpoint(dir, { config: TINY_CONFIG, tensors: tinyTensors(), maxShardBytes: 700 });
    await writeSideFiles(dir);
    const original = await openCheckpoint(dir);
    await writeCheckpoint(join(root, "copy"), {
      config: editConfig(original.configText, { intermediate_size: 12 }),
      tensors: tinyTensors(),
      carryOverFrom: original,
      extraFiles: { "pruning_manifest.json": "{}" },
    });
    expect(await readdir(join(root, "copy"))).toEqual([
      "LICENSE.txt", "USE_POLICY.md", "chat_template.jinja", "config.json", "generation_config.json",
      "model.safetensors", "modeling_custom.py", "pruning_manifest.json", "special_tokens_map.json",
      "tokenizer.json", "tokenizer_config.json",
    ]); // prettier-ignore
    expect(await readFile(join(root, "copy/generation_config.json"), "utf8")).toBe(
      '{"eos_token_id": [1, 2]}',
    );
  });

  it("drops the output matrix of a tied model, and quantization_config", async () => {
    const dir = join(await temporaryFolder(), "out");
    const config = editConfig(TINY_CONFIG, { tie_word_embeddings: true, quantization_config: { bits: 4 } });
    await writeCheckpoint(dir, { config, tensors: tinyTensors() });
    const checkpoint = await openCheckpoint(dir);
    expect(checkpoint.has("lm_head.weight")).toBe(false);
    expect(checkpoint.isTied).toBe(true);
    expect(checkpoint.config).not.toHaveProperty("quantization_config");
    expect(checkpoint.configText).toContain('"rope_theta": 10000.0');
  });

  it("asks for one tensor at a time, and reports bytes", async () => {
    const dir = join(await temporaryFolder(), "out");
    let open = 0;
    const tensors = tinyTensors().map((tensor) => ({
      ...tensor,
      data: async () => {
        expect(++open).toBe(1);
        await new Promise((resolve) => setImmediate(resolve));
        open--;
        return tensor.data();
      },
    }));
    const reports: [number, number][] = [];
    await writeCheckpoint(dir, {
      config: TINY_CONFIG,
      tensors,
      onProgress: (...report) => reports.push(report),
    });
    const [done, total] = reports.at(-1)!;
    expect(done).toBe(total);
    expect(total).toBe((await readFile(join(dir, "model.safetensors"))).byteLength);
  });

  it("leaves no folder behind when a tensor fails, the writer is stopped, or a name is bad", async () => {
    const root = await temporaryFolder();
    const out = join(root, "out");
    const failing = [{ ...tinyTensors()[0]!, data: () => Promise.reject(new Error("disk gone")) }];
    await expect(writeCheckpoint(out, { config: TINY_CONFIG, tensors: failing })).rejects.toThrow(
      "disk gone",
    );
    const signal = AbortSignal.abort(new Error("stopped"));
    await expect(
      writeCheckpoint(out, { config: TINY_CONFIG, tensors: tinyTensors(), signal }),
    ).rejects.toThrow("stopped");
    const bad = { "../evil": "x" };
    await expect(
      writeCheckpoint(out, { config: TINY_CONFIG, tensors: tinyTensors(), extraFiles: bad }),
    ).rejects.toThrow('expected the name of a file inside it, got "../evil"');
    await expect(
      writeCheckpoint(out, {
        config: TINY_CONFIG,
        tensors: [...tinyTensors(), ...tinyTensors()],
        maxShardBytes: 700,
      }),
    ).rejects.toThrow('expected every tensor name once, got "model.embed_tokens.weight" again');
    await expect(writeCheckpoint(out, { config: TINY_CONFIG, tensors: [] })).rejects.toThrow("got none");
    expect(await readdir(root)).toEqual([]);
  });
});

describe("openCheckpoint", () => {
  it("hashes config and weights, whatever else changes in the folder", async () => {
    const dir = join(await temporaryFolder(), "out");
    await writeCheckpoint(dir, { config: TINY_CONFIG, tensors: tinyTensors() });
    const hash = await (await openCheckpoint(dir)).hash();
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    await writeFile(join(dir, "notes.txt"), "x");
    expect(await (await openCheckpoint(dir)).hash()).toBe(hash);
    await writeFile(join(dir, "config.json"), TINY_CONFIG.replace("12", "13"));
    expect(await (await openCheckpoint(dir)).hash()).not.toBe(hash);
  });

  it("says how to convert weights in another format", async () => {
    const dir = await temporaryFolder();
    await writeFile(join(dir, "config.json"), TINY_CONFIG);
    await expect(openCheckpoint(dir)).rejects.toThrow(
      "expected model.safetensors or model.safetensors.index.json, got neither",
    );
    await writeFile(join(dir, "pytorch_model.bin"), "");
    await expect(openCheckpoint(dir)).rejects.toThrow(
      /got pytorch_model\.bin\. Convert it once with Python: .*save_pretrained/,
    );
  });

  it("explains a missing folder, config or shard, and an index that leads elsewhere", async () => {
    const root = await temporaryFolder();
    await expect(openCheckpoint(join(root, "none"))).rejects.toThrow("expected a folder, got: ENOENT");
    await writeFile(join(root, "adapter_config.json"), "{}");
    await expect(openCheckpoint(root)).rejects.toThrow(
      "It holds an adapter: merge it into its base model first",
    );

    const dir = join(root, "sharded");
    await writeCheckpoint(dir, { config: TINY_CONFIG, tensors: tinyTensors(), maxShardBytes: 700 });
    const index = join(dir, "model.safetensors.index.json");
    const text = await readFile(index, "utf8");
    const withShard = (name: string) =>
      writeFile(index, text.replaceAll("model-00001-of-00003.safetensors", name));
    for (const name of [
      "../x.safetensors",
      "/x.safetensors",
      "a/b.safetensors",
      "C:x.safetensors",
      "x.bin",
      "",
    ]) {
      await withShard(name);
      await expect(openCheckpoint(dir), name).rejects.toThrow(
        "expected a .safetensors file beside the index",
      );
    }
    await withShard("model-00009-of-00003.safetensors");
    await expect(openCheckpoint(dir)).rejects.toThrow(
      'expected the file "model-00009-of-00003.safetensors" beside it',
    );
    await withShard("model-00002-of-00003.safetensors");
    await expect(openCheckpoint(dir)).rejects.toThrow(
      'in "model-00002-of-00003.safetensors", got a file without it',
    );
  });

  it("notices a file that changes while it is open", async () => {
    const dir = join(await temporaryFolder(), "out");
    await writeCheckpoint(dir, { config: TINY_CONFIG, tensors: tinyTensors() });
    const checkpoint = await openCheckpoint(dir);
    const weights = join(dir, "model.safetensors");
    await writeFile(weights, (await readFile(weights)).subarray(0, 500));
    await expect(checkpoint.read("lm_head.weight")).rejects.toThrow(
      "expected the file as it was when opened",
    );
  });
});
