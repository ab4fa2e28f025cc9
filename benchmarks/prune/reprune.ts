import { stat } from "node:fs/promises";
import { join } from "node:path";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median } from "../speed/runner/statistics.js";
import {
  buildSdmprune,
  measureCompiledSdmprune,
  measureProcess,
  type ProcessCost,
} from "./measure-process.js";
import { checkpointOfShape, saveResults, withWorkspace } from "./workspace.js";

// Pruning from a score file beside a loop that reads, hashes and writes the same bytes: npm run bench:reprune.
// See README.md.
const { values } = parseArgs({
  args: argv.slice(2),
  options: {
    shape: { type: "string", default: "llama-3.2-1b" },
    repetitions: { type: "string", default: "3" },
    workspace: { type: "string" },
    output: { type: "string", short: "o" },
  },
});
const { shape } = values;
const repetitions = Number(values.repetitions);

await withWorkspace(values.workspace, async (workspace) => {
  const { model } = await checkpointOfShape(workspace, shape, { seqlen: 1024 });
  const [scores, pruned, copy] = ["scores.safetensors", "pruned", "copy"].map((name) =>
    join(workspace, name),
  );
  await buildSdmprune();
  await measureCompiledSdmprune("score", model, "--importance", "random", "-o", scores!, "--force");
  const prune = (): Promise<ProcessCost> =>
    measureCompiledSdmprune(
      "prune",
      model,
      "--method",
      "random",
      "--scores",
      scores!,
      "-o",
      pruned!,
      "--force",
    );
  await prune(); // warms the file cache, and says how many bytes there are to write
  const bytes = (await stat(join(pruned!, "model.safetensors"))).size;
  const loop = (): Promise<ProcessCost> =>
    measureProcess([
      fileURLToPath(new URL("copy-loop.js", import.meta.url)),
      join(model, "model.safetensors"),
      copy!,
      `${bytes}`,
    ]);
  await loop();
  const ours: ProcessCost[] = [];
  const plain: ProcessCost[] = [];
  for (let i = 0; i < repetitions; i++) {
    ours.push(await prune());
    plain.push(await loop());
  }
  const seconds = (costs: readonly ProcessCost[]): number => median(costs.map((cost) => cost.seconds));
  const cpu = (costs: readonly ProcessCost[]): number => median(costs.map((cost) => cost.cpuSeconds));
  const ratio = seconds(ours) / seconds(plain);
  console.log(
    `re-pruning ${shape}: ${seconds(ours).toFixed(1)} s (${cpu(ours).toFixed(1)} s of processor), plain loop ${seconds(plain).toFixed(1)} s (${cpu(plain).toFixed(1)} s), ratio ${ratio.toFixed(2)}`,
  );
  const command = `npm run bench:reprune -- --shape ${shape} --repetitions ${repetitions}`;
  await saveResults(values.output, "sdmprune-reprune-1", command, { shape, bytes, ours, plain, ratio });
});
