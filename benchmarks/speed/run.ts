import { relative } from "node:path";
import { argv, cwd, execArgv, execPath } from "node:process";
import { fileURLToPath } from "node:url";
import { errorMessage } from "@sdmprune/core";
import { type ProgramName, PROGRAMS } from "./ours/programs.js";
import type { Case } from "./ours/take-turns.js";
import { digits, gigaflops, RESULTS_FOLDER, writeSpeedPage } from "./report/speed-page.js";
import { type CaseResult, FORMAT, type Timing, writeSpeedResults } from "./report/speed-results.js";
import { currentCommit } from "./runner/commit.js";
import { interleave } from "./runner/interleave.js";
import { describeMachine } from "./runner/machine.js";
import { findPyTorch, type PyTorch } from "./runner/pytorch.js";
import { parseRunOptions, type RunOptions } from "./runner/run-options.js";
import { median } from "./runner/statistics.js";
import { type Command, startTurnProgram, type Turn } from "./runner/turn-program.js";

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

/** Runs the cases of one program and its peers, all alive throughout, and prints a line for each. */
async function measure(
  program: ProgramName,
  options: RunOptions,
  pytorch: PyTorch | undefined,
): Promise<CaseResult[]> {
  const cases = (PROGRAMS[program] as readonly Case[]).filter(({ name }) => options.names.includes(name));
  const results: CaseResult[] = [];
  for (const series of seriesOf(cases.filter(({ hasPeer = true }) => !hasPeer))) {
    results.push(...(await measureSeries(program, series, options)));
  }
  const besidePeer = cases.filter(({ hasPeer = true }) => hasPeer);
  const together = besidePeer.filter(({ isAlone }) => !isAlone);
  const groups = [
    ...(together.length > 0 ? [together] : []),
    ...besidePeer.filter(({ isAlone }) => isAlone).map((c) => [c]),
  ];
  for (const group of groups) {
    const programs = programsFor(program, group, options, pytorch).map(startTurnProgram);
    try {
      for (const each of group) {
        const repetitions = repetitionsOf(each, options);
        const players = programs.map((p) => ({ program: p, name: each.name, repetitions }));
        const turns = await interleave(players, { endsThem: each.isAlone });
        const result = caseResult(each, turns.map(timing));
        console.log(summary(result));
        results.push(result);
      }
    } finally {
      await Promise.all(programs.map((p) => p.end()));
    }
  }
  return results;
}

/** Cases that are compared with each other: those whose names begin alike, up to the slash. */
function seriesOf(cases: readonly Case[]): Case[][] {
  const series = new Map<string, Case[]>();
  for (const each of cases) {
    const [prefix] = each.name.split("/") as [string];
    series.set(prefix, [...(series.get(prefix) ?? []), each]);
  }
  return [...series.values()];
}

/** Runs cases that have no peer in turns with each other, each in a program of its own. */
async function measureSeries(
  program: ProgramName,
  cases: readonly Case[],
  options: RunOptions,
): Promise<CaseResult[]> {
  const programs = cases.map((each) =>
    startTurnProgram(programsFor(program, [each], options, undefined)[0]!),
  );
  try {
    const turns = await interleave(
      cases.map((each, i) => ({
        program: programs[i]!,
        name: each.name,
        repetitions: repetitionsOf(each, options),
      })),
      { endsThem: true },
    );
    const results = cases.map((each, i) => caseResult(each, [timing(turns[i]!)]));
    for (const result of results) console.log(summary(result));
    return results;
  } finally {
    await Promise.all(programs.map((p) => p.end()));
  }
}

function repetitionsOf({ repetitions = Infinity }: Case, options: RunOptions): number {
  return Math.min(repetitions, options.repetitions);
}

/** Ours, then PyTorch in float32, then in bfloat16 where a whole pass is measured. */
function programsFor(
  program: ProgramName,
  cases: readonly Case[],
  options: RunOptions,
  pytorch: PyTorch | undefined,
): Command[] {
  const { threads } = options;
  const args = [
    String(Math.max(...cases.map((each) => repetitionsOf(each, options)))),
    "--threads",
    String(threads),
    ...cases.flatMap(({ name }) => ["--only", name]),
  ];
  const path = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
  // the loader and the conditions of this process
  const ours = {
    label: `ours/${program}`,
    file: execPath,
    args: [...execArgv, path("ours/main.ts"), program, ...args],
  };
  const [{ isAlone = false, gemm }] = cases as [Case];
  if (!pytorch) return [ours];
  const peer = (dtype: string): Command => ({
    label: `peers/${program} ${dtype}`,
    file: pytorch.python,
    args: [
      path(`peers/${program}.py`),
      ...args,
      "--dtype",
      dtype,
      ...(gemm ? ["--gemm", ...gemm.map(String)] : []),
    ],
  });
  return [ours, peer("float32"), ...(isAlone ? [peer("bfloat16")] : [])];
}

function timing(turns: readonly Turn[]): Timing {
  const ms = turns.map((turn) => turn.ms);
  const { peakBytes, gemmGflops } = turns.at(-1)!;
  return {
    medianMs: median(ms),
    ms,
    ...(peakBytes !== undefined && { peakBytes }),
    ...(gemmGflops !== undefined && { gemmGflops }),
  };
}

function caseResult(
  { name, what, flops, tokens, isAlone = false }: Case,
  [ours, pytorch, bfloat16]: readonly Timing[],
): CaseResult {
  const kept = ({ peakBytes, ...rest }: Timing): Timing =>
    isAlone && peakBytes !== undefined ? { ...rest, peakBytes } : rest; // else it is of all the cases before, too
  return {
    name,
    what,
    ...(flops !== undefined && { flops }),
    ...(tokens !== undefined && { tokens }),
    ours: kept(ours!),
    ...(pytorch && { pytorch: kept(pytorch), ratio: pytorch.medianMs / ours!.medianMs }),
    ...(bfloat16 && {
      bfloat16: kept(bfloat16),
      bfloat16Ratio: bfloat16.medianMs / ours!.medianMs,
    }),
  };
}

function summary({ name, flops, tokens, ours, pytorch, ratio, bfloat16, bfloat16Ratio }: CaseResult): string {
  const time = ({ medianMs, peakBytes, gemmGflops }: Timing): string => {
    const rate = flops === undefined ? undefined : gigaflops(flops, medianMs);
    const details = [
      tokens !== undefined && `${((1000 * tokens) / medianMs).toFixed(0)} tokens/s`,
      rate !== undefined && `${rate.toFixed(0)} GFLOP/s`,
      rate !== undefined &&
        gemmGflops !== undefined &&
        `${((100 * rate) / gemmGflops).toFixed(0)} % of its ${gemmGflops.toFixed(0)} in a product`,
      peakBytes !== undefined && `peak ${(peakBytes / 2 ** 30).toFixed(2)} GiB`,
    ].filter((detail) => detail !== false);
    return `${digits(medianMs)} ms${details.length > 0 ? ` (${details.join(", ")})` : ""}`;
  };
  return [
    `${name}: ours ${time(ours)}`,
    ...(pytorch ? [`PyTorch ${time(pytorch)}, ratio ${ratio!.toFixed(2)}`] : []),
    ...(bfloat16 ? [`PyTorch bfloat16 ${time(bfloat16)}, ratio ${bfloat16Ratio!.toFixed(2)}`] : []),
  ].join("; ");
}

try {
  await main();
} catch (error) {
  console.error(errorMessage(error));
  process.exitCode = 1;
}
