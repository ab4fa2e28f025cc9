import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tinyLlama } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import { createHost } from "../src/create-host.js";
import { temporaryFolder } from "./folder-contents.js";
import { runMany } from "./run-many.js";

const root = temporaryFolder();

beforeAll(async () => {
  await tinyLlama({ numLayers: 6 }).write(join(root, "model"));
  const text = Array.from({ length: 30 }, (_, i) => `Once there were ${i} foxes in a wood.`).join("\n\n");
  writeFileSync(join(root, "text.txt"), text);
});

const run = (commands: readonly string[]) =>
  runMany(
    commands.map((command) => command.split(" ")),
    root,
  );
const calibration = "--calibration text.txt --nsamples 4 --seqlen 16";

describe("with --calibration alone", () => {
  it("every criterion scores, all in one sweep as alone", async () => {
    const names = (await createHost()).registries.importances.names();
    const results = await run([
      `score model --importance ${names.join(",")} -o all.safetensors ${calibration} --json`,
      `score model --importance llm-pruner -o one.safetensors ${calibration} --json`,
    ]);
    for (const { code, stderr, stdout } of results) {
      expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
      const { importances } = JSON.parse(stdout) as { importances: object };
      for (const each of Object.values(importances)) {
        expect(each).toEqual({ layers: 6, widths: [24, 24, 24, 24, 24, 24] });
      }
    }
    expect(Object.keys((JSON.parse(results[0]!.stdout) as { importances: object }).importances)).toEqual(
      names,
    );
  }, 60_000);

  it("every method prunes, the training ones by their defaults", async () => {
    const { methods, importances } = (await createHost()).registries;
    const names = [...new Set([...methods.names(), ...importances.names()])];
    const results = await run(
      names.map((name) => `prune model -o ${name} --method ${name} --width 16 ${calibration} --json`),
    );
    const wrong = results.flatMap(({ code, stderr }, i) => (code === 0 ? [] : [`${names[i]}: ${stderr}`]));
    expect(wrong).toEqual([]);
    for (const { stdout } of results) {
      expect(JSON.parse(stdout)).toMatchObject({ widths: new Array<number>(6).fill(16) });
    }
  }, 120_000);
});

describe("options of a method", () => {
  it("are given by key and value, and stand in the manifest", async () => {
    const prune = `prune model --method llm-pruner --ratio 0.2 --ratio-of mlp --round-to 1 ${calibration} --json`;
    const [original, mixed, maw, batch, ...refused] = await run([
      `${prune} -o original --option preset=original`,
      `${prune} -o mixed --option taylor=param_mix --export heterogeneous`,
      `prune model -o maw --method magnitude --option of=maw --width 16 --json`,
      `prune model -o batch --option absolute=batch --width 16 ${calibration} --json`,
      `${prune} -o x --option preset=other`,
      `${prune} -o x --option other=1`,
      `${prune} -o x --option preset`,
      `${prune} -o x --option preset=original --allocation global`,
      `score model --importance llm-pruner -o x.safetensors --shard 1/2 ${calibration}`,
      `score model --importance llm-pruner,flap -o x.safetensors --option taylor=param_second --shard 1/2 ${calibration} --json`,
    ]);
    // The first layer of six stays whole; the others share what goes: 6 * 19.2 -> 6 * 19 = 24 + 5 * 18.
    expect(JSON.parse(original!.stdout)).toMatchObject({ widths: [24, 18, 18, 18, 18, 18] });
    expect([mixed, maw, batch].map((result) => result!.code)).toEqual([0, 0, 0]);
    const manifest = (name: string): unknown =>
      JSON.parse(readFileSync(join(root, name, "pruning_manifest.json"), "utf8"));
    expect(manifest("original")).toMatchObject({
      method_options: { taylor: "param_first", preset: "original" },
      layers: [24, 18, 18, 18, 18, 18].map((width) => ({ intermediate_size: width })),
    });
    expect(manifest("mixed")).toMatchObject({ method_options: { taylor: "param_mix", preset: "matched" } });
    expect(manifest("maw")).toMatchObject({ method: "magnitude", method_options: { of: "maw" } });
    expect(manifest("batch")).toMatchObject({ method_options: { stages: 2, absolute: "batch" } });
    expect(refused.map(({ code }) => code)).toEqual([2, 2, 2, 2, 2, 0]);
    const messages = refused.slice(0, 5).map(({ stderr }) => stderr.trimEnd().split("\n").at(-1));
    expect(messages).toEqual([
      'error: method "llm-pruner": "preset": expected "matched" or "original", got "other".',
      'error: method "llm-pruner": unknown key "other", available: taylor, preset.',
      "error: option '--option <key=value>' argument 'preset' is invalid. Expected key=value, for example taylor=vectorize.",
      'error: allocation: method "llm-pruner" with these options sets the widths itself and needs "uniform", got "global".',
      'error: importance "llm-pruner": keeps more between windows than sums of increments, so that shards of it cannot be merged. Score it whole.',
    ]);
  }, 60_000);
});
