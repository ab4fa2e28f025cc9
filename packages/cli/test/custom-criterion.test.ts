import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Rng } from "@sdmprune/core";
import { readScoreFile } from "@sdmprune/importance/score-file";
import { FileByteSource, openCheckpoint } from "@sdmprune/model-io/node";
import { selectNeurons } from "@sdmprune/pruning";
import { beforeAll, describe, expect, it } from "vitest";
import { folderContents, temporaryFolder } from "./folder-contents.js";
import { runCli } from "./run-cli.js";

/** The demo model; in a checkout without it, the tiny one of the tests. */
const model = ["../demo-model", "../../test-utils/fixtures/tiny-llama"]
  .map((folder) => join(import.meta.dirname, folder))
  .find((folder) => existsSync(join(folder, "config.json")))!;

const criterion = `
import { definePlugin } from "@sdmprune/core";
import { tf } from "@sdmprune/tensor";

/** First-order change of the loss without the neuron: |sum over tokens of activation * its gradient|. */
const activationTaylor = {
  needs: { gradients: { loss: "cross-entropy" } },
  observe({ layer, activation, activationGrad }, scores) {
    scores.add(layer, tf.tidy(() => tf.abs(tf.sum(tf.mul(activation, activationGrad), 0))));
  },
};

export default definePlugin({
  name: "NAME",
  register({ importances }) {
    importances.register("activation-taylor", () => activationTaylor, { description: "Activation times gradient." });
  },
});
`;
const typed = criterion
  .replace("const activationTaylor", "const activationTaylor: ImportanceCriterion")
  .replace(
    "import { tf }",
    'import type { ImportanceCriterion } from "@sdmprune/importance";\nimport { tf }',
  );

const files: Record<string, string> = {
  "x.ts": typed.replace("NAME", "in one file"),
  "node_modules/my-criterion/package.json":
    '{ "name": "my-criterion", "type": "module", "exports": "./index.js" }',
  "node_modules/my-criterion/index.js": criterion.replace("NAME", "my-criterion"),
  "ids.jsonl": Array.from({ length: 4 }, (_, i) => {
    const rng = new Rng(i, "custom criterion");
    return JSON.stringify({ input_ids: Array.from({ length: 24 }, () => rng.integer(97)) });
  }).join("\n"),
};

describe("a criterion outside the repository", () => {
  const cwd = temporaryFolder();
  const target = ["--ratio", "0.25", "--ratio-of", "mlp", "--round-to", "1"];
  const prune = (output: string, ...more: string[]) =>
    runCli(
      [
        "prune",
        model,
        "-o",
        output,
        "--method",
        "activation-taylor",
        "--calibration",
        "ids.jsonl",
        "--nsamples",
        "4",
        ...target,
        "--json",
        ...more,
      ],
      { cwd },
    );

  beforeAll(async () => {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(join(cwd, name, ".."), { recursive: true });
      await writeFile(join(cwd, name), text);
    }
  });

  it("prunes a model by its scores when it is loaded from a file", async () => {
    const { code, stdout, stderr } = await prune("from-file", "--plugin", "./x.ts");
    expect(code, stderr).toBe(0);
    const { widths } = JSON.parse(stdout) as { widths: number[] };
    const source = await openCheckpoint(model);
    const pruned = await openCheckpoint(join(cwd, "from-file"));
    const intermediateSize = source.config["intermediate_size"] as number;
    expect(new Set(widths)).toEqual(new Set([Math.round(0.75 * intermediateSize)]));
    expect(pruned.config).toEqual({ ...source.config, intermediate_size: widths[0] });

    const scoreFile = join(cwd, "from-file/pruning/scores.safetensors");
    const { stages } = await readScoreFile(await FileByteSource.open(scoreFile), scoreFile);
    expect(stages.map(({ importance }) => importance)).toEqual(["activation-taylor"]);
    for (const [layer, score] of stages[0]!.scores.entries()) {
      expect(new Set(score).size).toBeGreaterThan(intermediateSize / 2);
      const name = `model.layers.${layer}.mlp.up_proj.weight`;
      const [whole, rows] = [await source.readFloat32(name), await pruned.readFloat32(name)];
      const hidden = rows.length / widths[layer]!;
      const kept = [...selectNeurons(score, widths[layer]!)];
      expect(rows).toEqual(
        Float32Array.from(kept.flatMap((n) => [...whole.subarray(n * hidden, (n + 1) * hidden)])),
      );
    }
  });

  it("gives the same bytes when it is loaded as a package", async () => {
    const { code, stderr } = await prune("from-package", "--plugin", "my-criterion");
    expect(code, stderr).toBe(0);
    expect(folderContents(join(cwd, "from-package"))).toEqual(folderContents(join(cwd, "from-file")));
  });
});
