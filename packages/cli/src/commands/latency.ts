import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { SdmPruneError } from "@sdmprune/core";
import {
  defined,
  measureLatency,
  openLatencyProgram,
  type LatencyModelRequest,
  type LatencyProgram,
  type LatencyReport,
  type LatencySample,
} from "@sdmprune/recipes";
import type { Command } from "commander";
import { withRun, printResult, type GlobalOptions, type Terminal } from "../command-context.js";
import { formatTable } from "../format-table.js";
import { addEngineOptions, addGlobalOptions } from "../model-options.js";
import { integer } from "../option-types.js";

interface LatencyOptions extends GlobalOptions {
  readonly promptTokens: number;
  readonly decodeTokens: number;
  readonly batch: number;
  readonly repetitions: number;
  readonly backend?: string;
  readonly threads?: number;
}

/** What the process of one model prints after each line of its input. */
interface Answer extends LatencySample {
  readonly peakBytes: number;
  readonly fileBytes: number;
}

export function addLatencyCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("latency")
    .description("Tokens per second, memory and file size of models, side by side in one run.")
    .argument("<models...>", "checkpoint folders or hub ids; the first is the one to compare with")
    .option("--repetitions <n>", "timed repetitions of each model", integer(1), 5);
  addGlobalOptions(addEngineOptions(addShapeOptions(command))).action(
    async (models: string[], flags: LatencyOptions) => {
      const { promptTokens, decodeTokens, batch, repetitions } = flags;
      const report = await withRun(terminal, flags, (run) =>
        measureLatency(run, { models, promptTokens, decodeTokens, batch, repetitions }, (request) =>
          Promise.resolve(startProcess(request, flags)),
        ),
      );
      printResult(terminal, flags, report, () => reportText(report));
    },
  );

  const worker = program.command("latency-process", { hidden: true }).argument("<model>");
  addGlobalOptions(addEngineOptions(addShapeOptions(worker))).action((model: string, flags: LatencyOptions) =>
    withRun(terminal, flags, async (run) => {
      const { promptTokens, decodeTokens, batch, backend, threads } = flags;
      const request = { model, promptTokens, decodeTokens, batch, ...defined({ backend, threads }) };
      const latency = await openLatencyProgram(run, request);
      try {
        for await (const _ of createInterface({ input: process.stdin })) {
          const sample = await latency.repeat();
          const answer: Answer = {
            ...sample,
            peakBytes: await latency.peakBytes(),
            fileBytes: await latency.fileBytes(),
          };
          terminal.stdout.write(`${JSON.stringify(answer)}\n`);
        }
      } finally {
        await latency.end();
      }
    }),
  );
}

function addShapeOptions(command: Command): Command {
  return command
    .option("--prompt-tokens <n>", "tokens of the prompt, which runs in one pass", integer(1), 512)
    .option("--decode-tokens <n>", "tokens generated after it", integer(1), 64)
    .option("--batch <n>", "sequences at a time", integer(1), 1);
}

/** Starts this program once more for one model, so that the peak of its memory is its own. */
function startProcess(request: LatencyModelRequest, flags: LatencyOptions): LatencyProgram {
  const { model, promptTokens, decodeTokens, batch } = request;
  const options = {
    "prompt-tokens": promptTokens,
    "decode-tokens": decodeTokens,
    batch,
    ...defined({ seed: flags.seed, backend: flags.backend, threads: flags.threads }),
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const plugins = (flags.plugin ?? []).flatMap((plugin) => ["--plugin", plugin]);
  const argv = [
    ...process.execArgv,
    process.argv[1]!,
    "latency-process",
    "--quiet",
    ...args,
    ...plugins,
    "--",
    model,
  ];
  const child = spawn(process.execPath, argv, { stdio: ["pipe", "pipe", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const ending = new Promise<void>((resolve) => {
    child.once("error", ({ message }) => {
      errors += message;
      resolve();
    });
    child.once("close", () => resolve());
  });
  child.stdin.on("error", () => undefined); // it has ended, which the next turn finds out
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let last: Answer | undefined;
  return {
    async repeat() {
      child.stdin.write("\n");
      const line = await lines.next();
      if (line.done) {
        await ending;
        const said = /^error: (.*)$/m.exec(errors)?.[1] ?? (errors.trim() || "no message");
        throw new SdmPruneError(`latency of ${model}: ${said}`);
      }
      last = JSON.parse(line.value) as Answer;
      return { prefillSeconds: last.prefillSeconds, decodeSeconds: last.decodeSeconds };
    },
    peakBytes: () => last?.peakBytes ?? 0,
    fileBytes: () => last?.fileBytes ?? 0,
    async end() {
      child.stdin.end();
      await ending;
    },
  };
}

function reportText(report: LatencyReport): string {
  const { promptTokens, decodeTokens, batch, repetitions, machine } = report;
  const times = (ratio: number) => ratio.toFixed(2);
  const rows = report.models.map(({ model, ratios, ...one }) => [
    model,
    one.prefillTokensPerSecond.toFixed(1),
    times(ratios.prefill),
    one.decodeTokensPerSecond.toFixed(1),
    times(ratios.decode),
    (one.peakBytes / 2 ** 20).toFixed(0),
    times(ratios.peak),
    (one.fileBytes / 1e6).toFixed(1),
    times(ratios.file),
  ]);
  const head = [
    "model",
    "prefill tok/s",
    "ratio",
    "decode tok/s",
    "ratio",
    "peak MiB",
    "ratio",
    "file MB",
    "ratio",
  ];
  return [
    formatTable(head, rows),
    `${promptTokens} prompt and ${decodeTokens} generated tokens, batch ${batch}; medians of ${repetitions} repetitions in turns; ratios to the first model`,
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Node ${machine.node}`,
  ].join("\n");
}
