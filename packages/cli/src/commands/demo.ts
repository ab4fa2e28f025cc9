import { rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "@sdmprune/model-io/node";
import type { Command } from "commander";
import { printResult, type GlobalOptions, type Terminal } from "../command-context.js";
import { createHost } from "../create-host.js";
import { runDemo, type DemoReport, type DemoRow } from "../demo.js";
import { formatTable } from "../format-table.js";
import { addEngineOptions, addGlobalOptions } from "../model-options.js";
import { integer } from "../option-types.js";
import { createProgressView } from "../progress-view.js";
import { silentProgress } from "@sdmprune/core";
import { defined } from "./prune.js";

interface DemoOptions extends GlobalOptions {
  readonly output: string;
  readonly seeds: number;
  readonly nsamples: number;
  readonly recoveryTokens: number;
  readonly backend?: string;
  readonly threads?: number;
}

export function addDemoCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("demo")
    .description("Prune the embedded demo model by every method at 20, 30 and 40 % and compare. Offline.")
    .option("-o, --output <dir>", "folder for the pruned models and results.json", "demo")
    .option("--seeds <n>", "seeds to average over", integer(1), 3)
    .option("--nsamples <n>", "calibration windows per seed", integer(1), 128)
    .option(
      "--recovery-tokens <n>",
      "tokens of each of the two LoRA trainings; 0: none",
      integer(0),
      100_000,
    );
  addGlobalOptions(addEngineOptions(command)).action(async (flags: DemoOptions) => {
    const host = await createHost(flags.plugin);
    const progress = flags.quiet ? silentProgress : createProgressView(terminal.stderr);
    const { output, seeds, nsamples, recoveryTokens, seed = 0, backend, threads } = flags;
    const report = await runDemo(host, {
      output,
      seeds: Array.from({ length: seeds }, (_, i) => seed + i),
      nsamples,
      recoveryTokens,
      engine: defined({ backend, threads }),
      progress,
      signal: terminal.signal,
    });
    await rm(join(output, "work"), { recursive: true, force: true });
    await writeFileAtomic(join(output, "results.json"), `${JSON.stringify(report.rows, null, 2)}\n`);
    printResult(terminal, flags, report, () => reportText(report, output));
  });
}

function reportText(report: DemoReport, output: string): string {
  const rows = report.rows.map((row) => [
    row.method,
    row.ratio === 0 ? "" : `${Math.round(100 * row.ratio)} %`,
    row.perplexity.toFixed(2),
    spread(row),
    row.parameters.toLocaleString("en-US"),
    `${(row.bytes / 1e6).toFixed(2)} MB`,
  ]);
  const table = formatTable(["method", "removed", "perplexity", "over seeds", "parameters", "size"], rows);
  const samples = report.samples
    .map(({ label, text }) => `${label}:\n  ${text.replace(/\n/g, "\n  ")}`)
    .join("\n\n");
  return [
    `Held-out perplexity of the demo model (${report.tokens} tokens), mean over ${report.seeds.length} seeds of ${report.nsamples} windows:`,
    "",
    table,
    "",
    ...recoveryText(report),
    ...report.expectations.map(
      ({ text, holds }) => `${holds ? "as expected:    " : "NOT as expected:"} ${text}`,
    ),
    "",
    samples,
    "",
    `Pruned folders (seed ${report.seeds[0]}) and results.json are in ${output}.`,
  ].join("\n");
}

function recoveryText({ recovery, seeds }: DemoReport): string[] {
  if (recovery.length === 0) return [];
  const rows = recovery.map(({ model, perplexity, trainingTokens }) => [
    model,
    perplexity.toFixed(3),
    trainingTokens === 0 ? "" : trainingTokens.toLocaleString("en-US"),
  ]);
  const table = formatTable(["model", "perplexity", "training tokens"], rows);
  return [`Recovery by LoRA (rank 8, all linear layers; seed ${seeds[0]}):`, "", table, ""];
}

/** Lowest and highest perplexity of a row's seeds. */
function spread({ perplexities }: DemoRow): string {
  if (perplexities.length < 2) return "";
  return `${Math.min(...perplexities).toFixed(2)} - ${Math.max(...perplexities).toFixed(2)}`;
}
