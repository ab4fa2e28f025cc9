import { formatPlan } from "@sdmprune/pruning";
import {
  inspect,
  type CheckpointInspection,
  type Inspection,
  type ScoresInspection,
} from "@sdmprune/recipes";
import type { Command } from "commander";
import { withRun, printResult, type GlobalOptions, type Terminal } from "../command-context.js";
import { formatCompatibility } from "../format-compatibility.js";
import { formatTable } from "../format-table.js";
import { addGlobalOptions } from "../model-options.js";

export function addInspectCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("inspect")
    .description("Tell what a checkpoint, a score file or a pruning plan holds.")
    .argument("<path>", "checkpoint folder, hub id, score file or plan");
  addGlobalOptions(command).action(async (path: string, flags: GlobalOptions) => {
    const inspection = await withRun(terminal, flags, (run) => inspect(run, path));
    printResult(terminal, flags, inspection, () => inspectionText(inspection));
  });
}

function inspectionText(inspection: Inspection): string {
  switch (inspection.kind) {
    case "checkpoint":
      return checkpointText(inspection);
    case "scores":
      return scoresText(inspection);
    case "plan":
      return formatPlan(inspection.plan);
  }
}

function checkpointText(c: CheckpointInspection): string {
  const widths = [...new Set(c.intermediateSizes)];
  const facts: [string, string][] = [
    ["model_type", c.modelType],
    ["layers", String(c.numLayers)],
    ["hidden_size", String(c.hiddenSize)],
    ["intermediate_size", widths.length === 1 ? String(widths[0]) : c.intermediateSizes.join(", ")],
    ["vocab_size", `${c.vocabSize}${c.tieWordEmbeddings ? " (tied)" : ""}`],
    ["max positions", String(c.maxPositionEmbeddings)],
    ["parameters", c.parameters.total.toLocaleString("en-US")],
    ["  non-embedding", c.parameters.nonEmbedding.toLocaleString("en-US")],
    ["  mlp", c.parameters.mlp.toLocaleString("en-US")],
    [
      "weights",
      Object.entries(c.dtypes)
        .map(([dtype, bytes]) => `${dtype} ${(bytes / 1e6).toFixed(1)} MB`)
        .join(", "),
    ],
  ];
  return `${facts.map(([key, value]) => `${key.padEnd(18)} ${value}`).join("\n")}\n\n${formatCompatibility(c.compatibility)}`;
}

function scoresText({ series }: ScoresInspection): string {
  const rows = series.flatMap(({ name, layers }) =>
    layers.map(({ size, min, mean, max }, layer) => [
      name,
      String(layer),
      String(size),
      min.toExponential(3),
      mean.toExponential(3),
      max.toExponential(3),
    ]),
  );
  return formatTable(["scores", "layer", "neurons", "min", "mean", "max"], rows);
}
