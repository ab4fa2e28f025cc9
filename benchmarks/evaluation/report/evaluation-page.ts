import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { newestEvaluationSpeed, type EvaluationSpeed, type EvaluationTiming } from "./evaluation-results.js";

const PAGE = fileURLToPath(new URL("../../../docs/reference/evaluation-speed.md", import.meta.url));

/** Writes docs/reference/evaluation-speed.md from the newest results, if it says something else. */
export async function writeEvaluationPage(): Promise<void> {
  const newest = await newestEvaluationSpeed();
  const page = newest ? renderEvaluationPage(newest.file, newest.results) : EMPTY_PAGE;
  const before = await readFile(PAGE, "utf8").catch(() => undefined); // not written yet
  if (page !== before) await writeFile(PAGE, page);
}

const EMPTY_PAGE = "# Speed of evaluation\n\nNothing is measured yet: `npm run bench:evaluation`.\n";

/** The page: a table of the tasks, and where they were measured. */
export function renderEvaluationPage(file: string, results: EvaluationSpeed): string {
  const { cases, machine, threads, commit, model } = results;
  const peer = machine.lmEval === undefined ? "" : ` and lm-evaluation-harness ${machine.lmEval} (\`hf\`)`;
  return [
    "# Speed of evaluation",
    "",
    `<!-- Written by \`npm run docs\` from benchmarks/evaluation/results/${file}. -->`,
    "",
    `Documents per second of \`sdmprune eval\`${peer} on ${threads} threads, float32, ${model}, from texts to`,
    "log-probabilities, without the loading of model and data. lm-eval runs at the batch size that is fastest for it. The two take",
    "turns; the ratios are of medians, on the clock and of the time that all threads computed, which other programs on the machine",
    "disturb less. **Above 1 we are faster.** How to run it:",
    "[benchmarks/evaluation](../../benchmarks/evaluation/README.md).",
    "",
    "| task | documents | ours, documents/s | lm-eval, documents/s | ratio | of CPU time |",
    "| --- | ---: | ---: | ---: | ---: | ---: |",
    ...cases.map(
      ({ name, documents, ours, lmEval, ratio, cpuRatio }) =>
        `| ${name} | ${documents} | ${timing(documents, ours)} | ${lmEval ? timing(documents, lmEval) : ""} | ${ratio?.toFixed(2) ?? ""} | ${cpuRatio?.toFixed(2) ?? ""} |`,
    ),
    "",
    "In brackets the slowest and the fastest repetition.",
    "",
    "## Where",
    "",
    `- ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}; load in the minute before: ${machine.loadBefore}`,
    `- Node ${machine.node}, onnxruntime-node ${machine.onnxruntime}${machine.torch === undefined ? "" : `; Python ${machine.python}, PyTorch ${machine.torch}, transformers ${machine.transformers}`}`,
    `- Commit ${commit.hash.slice(0, 12)}${commit.isModified ? " with uncommitted changes" : ""}, ${results.date.slice(0, 10)}`,
    `- \`${results.command}\``,
    "",
  ].join("\n");
}

/** `1.20 (1.10–1.23), batch size 4` */
function timing(documents: number, { documentsPerSecond, ms, detail }: EvaluationTiming): string {
  const rate = (each: number): string => ((1000 * documents) / each).toPrecision(3);
  const range = `(${rate(Math.max(...ms))}–${rate(Math.min(...ms))})`;
  return `${documentsPerSecond.toPrecision(3)} ${range}${detail === undefined ? "" : `, ${detail}`}`;
}
