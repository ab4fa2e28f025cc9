import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { argv, execArgv, execPath } from "node:process";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { errorMessage, UsageError } from "@sdmprune/core";
import { dumpRequests } from "@sdmprune/recipes";
import { createHost } from "sdmprune";
import { currentCommit } from "../speed/runner/commit.js";
import { findPython } from "../speed/runner/find-python.js";
import { describeMachine } from "../speed/runner/machine.js";
import { median } from "../speed/runner/statistics.js";
import { startTurnProgram, type TurnProgram } from "../speed/runner/turn-program.js";
import { CASES, type EvaluationCase } from "./cases.js";
import { writeEvaluationPage } from "./report/evaluation-page.js";
import {
  writeEvaluationSpeed,
  type EvaluationSpeedCase,
  type EvaluationTiming,
} from "./report/evaluation-results.js";

// Measures our evaluation and lm-eval's in turns: npm run bench:evaluation -- --model DIR --data DIR. See README.md.

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const PROBE =
  "import json, platform; from importlib.metadata import version; import torch, lm_eval; print(json.dumps([platform.python_version(), torch.__version__, version('lm_eval'), version('transformers')]))";
/** Until a program that has just run has stopped its threads. */
const PAUSE_MS = 100;

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: argv.slice(2),
    options: {
      model: { type: "string" },
      data: { type: "string" },
      repetitions: { type: "string", default: "3" },
      threads: { type: "string", default: String(availableParallelism()) },
      only: { type: "string", multiple: true },
      python: { type: "string" },
    },
  });
  const { model, data, only, threads, repetitions } = values;
  if (model === undefined || data === undefined) {
    throw new UsageError(
      "bench:evaluation: expected --model DIR and --data DIR, a checkpoint and the data sets.",
    );
  }
  const unknown = only?.find((name) => !CASES.some((each) => each.name === name));
  if (unknown !== undefined) {
    throw new UsageError(
      `--only: expected one of ${CASES.map(({ name }) => name).join(", ")}, got "${unknown}".`,
    );
  }
  const cases = CASES.filter(({ name }) => only?.includes(name) ?? true);
  const wanted = { what: "lm_eval", folder: here("peers"), probe: PROBE };
  const python = await findPython(wanted, values.python);
  if (!python)
    console.error("No Python with lm_eval: measuring ours alone. See benchmarks/evaluation/README.md.");
  const started = { date: new Date().toISOString(), commit: currentCommit(), machine: describeMachine() };
  const requests = await mkdtemp(join(tmpdir(), "bench-evaluation-"));
  let measured: EvaluationSpeedCase[];
  try {
    await writeRequests(cases, data, requests);
    const names = cases.flatMap(({ name }) => ["--only", name]);
    const args = [resolve(model), requests, repetitions, "--threads", threads, ...names];
    const programs = [
      startTurnProgram({ label: "ours", file: execPath, args: [...execArgv, here("ours/main.ts"), ...args] }),
    ];
    if (python) {
      const peer = { label: "lm_eval", file: python.python, args: [here("peers/lm_eval_peer.py"), ...args] };
      programs.push(startTurnProgram(peer));
    }
    measured = await measure(cases, programs, Number(repetitions));
    await Promise.all(programs.map((program) => program.end()));
  } finally {
    await rm(requests, { recursive: true });
  }
  if (only) return; // the file is of whole runs
  const [pythonVersion, torch, lmEval, transformers] = python?.versions ?? [];
  const path = await writeEvaluationSpeed({
    format: "sdmprune-evaluation-speed-1",
    ...started,
    command: `npm run bench:evaluation -- --model ${basename(model)} --data DATA --repetitions ${repetitions} --threads ${threads}`,
    model: basename(model),
    threads: Number(threads),
    machine: {
      ...started.machine,
      ...(python && { python: pythonVersion!, torch: torch!, lmEval: lmEval!, transformers: transformers! }),
    },
    cases: measured,
  });
  console.log(`Results: ${path}`);
  await writeEvaluationPage();
}

/**
 * One file per task, the same for both sides: of documents from all over the split, since texts of one sort tend to stand
 * together, short ones first in HellaSwag.
 */
async function writeRequests(cases: readonly EvaluationCase[], data: string, folder: string): Promise<void> {
  const run = (await createHost()).createRun();
  for (const { name, documents } of cases) {
    const path = join(folder, `${name}.jsonl`);
    await dumpRequests(run, { tasks: [name], dataDir: data, path });
    const all = requestsByDocument((await readFile(path, "utf8")).trimEnd().split("\n"));
    const chosen = Array.from(
      { length: documents },
      (_, i) => all[Math.floor((i * all.length) / documents)]!,
    );
    await writeFile(path, chosen.flatMap((lines) => lines.map((line) => `${line}\n`)).join(""));
  }
  await run.dispose();
}

/** Lines of requests, those of one document together: they follow each other and have one context. */
function requestsByDocument(lines: readonly string[]): string[][] {
  const documents: string[][] = [];
  let last: string | undefined;
  for (const line of lines) {
    const [context, continuation] = JSON.parse(line) as string[];
    if (continuation !== undefined && context === last) documents.at(-1)!.push(line);
    else documents.push([line]);
    last = context;
  }
  return documents;
}

async function measure(
  cases: readonly EvaluationCase[],
  programs: readonly TurnProgram[],
  repetitions: number,
): Promise<EvaluationSpeedCase[]> {
  const results: EvaluationSpeedCase[] = [];
  for (const { name, documents } of cases) {
    const turns = programs.map((): { ms: number[]; cpuMs: number[]; detail?: string } => ({
      ms: [],
      cpuMs: [],
    }));
    for (let i = 0; i < repetitions; i++) {
      for (const [p, program] of programs.entries()) {
        const { ms, cpuMs = NaN, detail } = await program.turn();
        turns[p]!.ms.push(ms);
        turns[p]!.cpuMs.push(cpuMs);
        if (detail !== undefined) turns[p]!.detail = detail;
        await setTimeout(PAUSE_MS);
      }
    }
    const [ours, lmEval] = turns.map((turn): EvaluationTiming => ({
      documentsPerSecond: (1000 * documents) / median(turn.ms),
      ...turn,
    }));
    const ratio = lmEval && ours!.documentsPerSecond / lmEval.documentsPerSecond;
    const cpuRatio = lmEval && median(lmEval.cpuMs) / median(ours!.cpuMs);
    results.push({
      name,
      documents,
      ours: ours!,
      ...(lmEval && { lmEval, ratio: ratio!, cpuRatio: cpuRatio! }),
    });
    console.log(
      `${name}: ours ${ours!.documentsPerSecond.toPrecision(3)} documents/s${lmEval ? `, lm-eval ${lmEval.documentsPerSecond.toPrecision(3)} (${lmEval.detail}), ratio ${ratio!.toFixed(2)}, of CPU time ${cpuRatio!.toFixed(2)}` : ""}`,
    );
  }
  return results;
}

try {
  await main();
} catch (error) {
  console.error(errorMessage(error));
  process.exitCode = 1;
}
