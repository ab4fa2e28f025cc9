import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describePluginContract } from "@sdmprune/test-utils/plugin-contract";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import activationMean from "../docs/guides/examples/activation-mean.js";
import stepwiseTaylor from "../docs/guides/examples/stepwise-taylor.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const examples = join(root, "docs/guides/examples");
const model = join(root, "packages/test-utils/fixtures/tiny-llama");

describe("the guide to writing a plugin", () => {
  let folder: string;
  const sdmprune = async (...args: string[]): Promise<Record<string, unknown>> => {
    const bin = join(root, "packages/cli/bin/sdmprune.js");
    const { stdout } = await promisify(execFile)(process.execPath, [bin, ...args, "--json"], { cwd: folder });
    return JSON.parse(stdout) as Record<string, unknown>;
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sdmprune-guide-")); // outside the repository: no packages to be found
    await copyFile(join(examples, "activation-mean.ts"), join(folder, "activation-mean.ts"));
    const rows = Array.from({ length: 4 }, (_, i) =>
      Array.from({ length: 16 }, (_, t) => (7 * i + 11 * t) % 97),
    );
    await writeFile(
      join(folder, "ids.jsonl"),
      rows.map((ids) => `${JSON.stringify({ input_ids: ids })}\n`).join(""),
    );
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(["activation-mean.ts", "stepwise-taylor.ts"])("shows %s, which is tested here", async (name) => {
    const guide = await readFile(join(root, "docs/guides/write-a-plugin.md"), "utf8");
    expect(guide).toContain(`\`\`\`ts\n${await readFile(join(examples, name), "utf8")}\`\`\``);
  });

  it("prunes a model by a criterion in one file outside the repository", async () => {
    const calibration = ["--calibration", "ids.jsonl", "--nsamples", "4"];
    const target = ["--width", "32", "--method", "activation-mean", "--plugin", "./activation-mean.ts"];
    const result = await sdmprune("prune", model, "-o", "pruned", ...target, ...calibration);
    expect(result).toMatchObject({ output: "pruned", widths: [32, 32] });
    const config = JSON.parse(await readFile(join(folder, "pruned/config.json"), "utf8")) as object;
    expect(config).toMatchObject({ intermediate_size: 32 });
  });

  it("says what is wrong with the criterion's options before anything runs", async () => {
    await writeFile(join(folder, "wrong.yaml"), "method_options: { power: 0 }\n");
    const args = [
      "prune",
      model,
      "-o",
      "x",
      "--method",
      "activation-mean",
      "--plugin",
      "./activation-mean.ts",
    ];
    const running = sdmprune(
      ...args,
      "--config",
      "wrong.yaml",
      "--width",
      "32",
      "--calibration",
      "ids.jsonl",
    );
    await expect(running).rejects.toMatchObject({
      code: 2,
      stderr: 'error: importance "activation-mean": "power": expected more than 0, got 0.\n',
    });
  });
});

describePluginContract(activationMean);
describePluginContract(stepwiseTaylor);
