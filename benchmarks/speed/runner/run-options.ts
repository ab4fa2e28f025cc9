import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { UsageError } from "@sdmprune/core";
import { RESULTS_FOLDER } from "../report/speed-page.js";

export interface RunOptions {
  readonly repetitions: number;
  readonly threads: number;
  /** Names of cases, in the order in which they run. */
  readonly names: readonly string[];
  readonly python?: string;
  /** Folder for the results; `undefined`: they are printed only. */
  readonly output?: string;
  /** The command that repeats the measurement: without paths. */
  readonly command: string;
}

const OPTIONS = {
  repetitions: { type: "string", default: "5" },
  threads: { type: "string" },
  only: { type: "string", multiple: true },
  python: { type: "string" },
  output: { type: "string", short: "o" },
} as const;

/**
 * Reads the command line of `npm run bench:speed`.
 *
 * @param allNames - Of every case. `--only` takes a name or the part before its slash.
 * @throws {UsageError} If an option is unknown or malformed, or `--only` fits no case.
 */
export function parseRunOptions(args: readonly string[], allNames: readonly string[]): RunOptions {
  const { values } = parse(args);
  const { only = [], python } = values;
  for (const wanted of only) {
    if (!allNames.some((name) => fits(name, wanted))) {
      throw new UsageError(
        `--only: expected a case or the part before its slash, got "${wanted}". Cases: ${allNames.join(", ")}.`,
      );
    }
  }
  const isWhole = only.length === 0;
  const output = values.output ?? (isWhole ? RESULTS_FOLDER : undefined);
  const repetitions = positive("repetitions", values.repetitions);
  const threads = positive("threads", values.threads ?? String(availableParallelism()));
  return {
    repetitions,
    threads,
    names: allNames.filter((name) => isWhole || only.some((wanted) => fits(name, wanted))),
    ...(python !== undefined && { python }),
    ...(output !== undefined && { output }),
    command: [
      `npm run bench:speed -- --repetitions ${repetitions} --threads ${threads}`,
      ...only.map((wanted) => `--only ${wanted}`),
    ].join(" "),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS });
  } catch (cause) {
    throw new UsageError(`bench:speed: ${(cause as Error).message}`, { cause });
  }
}

function fits(name: string, wanted: string): boolean {
  return name === wanted || name.startsWith(`${wanted}/`);
}

function positive(option: string, value: string): number {
  if (!/^[1-9]\d*$/.test(value)) {
    throw new UsageError(`--${option}: expected a positive integer, got "${value}".`);
  }
  return Number(value);
}
