import { relative } from "node:path";
import { argv, cwd, execArgv, execPath } from "node:process";
import { fileURLToPath } from "node:url";
import { errorMessage } from "@sdmprune/core";
import { type ProgramName, PROGRAMS } from "./ours/programs.js";
import { digits, gigaflops, RESULTS_FOLDER, writeSpeedPage } from "./report/speed-page.js";
import { type CaseResult, FORMAT, type Timing, writeSpeedResults } from "./report/speed-results.js";
import { currentCommit } from "./runner/commit.js";
import { interleave } from "./runner/interleave.js";
import { describeMachine } from "./runner/machine.js";
import { findPyTorch, type PyTorch } from "./runner/pytorch.js";
import { parseRunOptions, type RunOptions } from "./runner/run-options.js";
import { median } from "./runner/statistics.js";
import { type Command, startTurnProgram } from "./runner/turn-program.js";

// Measures our tensor engine and PyTorch in turns: npm run bench:speed. See README.md.

async function main(): Promise<void> {
  const allNames = Object.values(PROGRAMS).flatMap((cases) => cases.map(({ name }) => name));
  const options = parseRunOptions(argv.slice(2), allNames);
  const machine = describeMachine();
  if (machine.loadBefore > machine.cores / 4) {
    console.error(
      `The machine is busy (load ${machine.loadBefore}): the figures are noisy, and PyTorch, whose threads wait for each other in a busy loop, suffers more.`,
    );
  }
  const pytorch = await findPyTorch(options.python);
  if (!pytorch) {
    console.error(
      "No Python with PyTorch: measuring ours alone. To compare: python3 -m venv benchmarks/speed/peers/.venv && benchmarks/speed/peers/.venv/bin/pip install -r benchmarks/speed/peers/requirements.txt",
    );
  }
  const date = new Date().toISOString();
  const commit = currentCommit();
  const cases: CaseResult[] = [];
  for (const name of Object.keys(PROGRAMS) as ProgramName[]) {
    cases.push(...(await measure(name, options, pytorch)));
  }
  const { output, command, threads, repetitions } = options;
  if (output === undefined) return;
  const path = await writeSpeedResults(output, {
    format: FORMAT,
    date,
    commit,
    command,
    threads,
    repetitions,
    machine: {
      ...machine,
      ...(pytorch && { python: pytorch.pythonVersion, torch: pytorch.torchVersion }),
    },
    cases,
  });
  console.log(`Results: ${relative(cwd(), path)}`);
  if (output === RESULTS_FOLDER) await writeSpeedPage();
}

/** Runs the cases of one program and its peer, both alive throughout, and prints a line for each. */
async function measure(
  program: ProgramName,
  { names, repetitions, threads }: RunOptions,
  pytorch: PyTorch | undefined,
): Promise<CaseResult[]> {
  const cases = PROGRAMS[program].filter(({ name }) => names.includes(name));
  if (cases.length === 0) return [];
  const args = [
    String(repetitions),
    "--threads",
    String(threads),
    ...cases.flatMap(({ name }) => ["--only", name]),
  ];
  const path = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
  const commands: Command[] = [
    // the loader and the conditions of this process
    { label: `ours/${program}`, file: execPath, args: [...execArgv, path("ours/main.ts"), program, ...args] },
  ];
  if (pytorch) {
    commands.push({
      label: `peers/${program}`,
      file: pytorch.python,
      args: [path(`peers/${program}.py`), ...args],
    });
  }
  const programs = commands.map(startTurnProgram);
  const results: CaseResult[] = [];
  try {
    for (const { name, what, flops } of cases) {
      const [ours, peer] = (await interleave(name, programs, repetitions)).map((ms): Timing => ({
        medianMs: median(ms),
        ms,
      }));
      const result: CaseResult = {
        name,
        what,
        ...(flops !== undefined && { flops }),
        ours: ours!,
        ...(peer && { pytorch: peer, ratio: peer.medianMs / ours!.medianMs }),
      };
      console.log(summary(result));
      results.push(result);
    }
  } finally {
    await Promise.all(programs.map((p) => p.end()));
  }
  return results;
}

function summary({ name, flops, ours, pytorch, ratio }: CaseResult): string {
  const time = ({ medianMs }: Timing): string =>
    `${digits(medianMs)} ms${flops === undefined ? "" : ` (${gigaflops(flops, medianMs).toFixed(0)} GFLOP/s)`}`;
  const ending = pytorch ? `, PyTorch ${time(pytorch)}, ratio ${ratio!.toFixed(2)}` : "";
  return `${name}: ours ${time(ours)}${ending}`;
}

try {
  await main();
} catch (error) {
  console.error(errorMessage(error));
  process.exitCode = 1;
}
