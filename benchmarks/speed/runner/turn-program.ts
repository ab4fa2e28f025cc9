import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { SdmPruneError } from "@sdmprune/core";

/** One timed repetition of one case. */
export interface Turn {
  readonly name: string;
  readonly ms: number;
  /** Most memory the program has had so far. */
  readonly peakBytes?: number;
  /** Rate of the matrix product that bounds the case, in GFLOP/s, where it was asked for. */
  readonly gemmGflops?: number;
  /** Time that all threads of the program computed, where it says so. */
  readonly cpuMs?: number;
  /** A setting that the program chose itself. */
  readonly detail?: string;
}

/** A running program that times its cases when it is asked; the protocol is that of `peers/peer.py`. */
export interface TurnProgram {
  /**
   * Asks for the next repetition.
   *
   * @throws {SdmPruneError} If the program ends, or prints anything but a measurement.
   */
  turn(): Promise<Turn>;
  /** Closes its input and waits for its end. */
  end(): Promise<void>;
}

export interface Command {
  /** For messages. */
  readonly label: string;
  readonly file: string;
  readonly args: readonly string[];
}

/** Starts a program. Its stderr is ours. */
export function startTurnProgram({ label, file, args }: Command): TurnProgram {
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"] });
  const ending = new Promise<string>((resolve) => {
    child.once("error", ({ message }) => resolve(message));
    child.once("close", (code, signal) => resolve(signal ? `signal ${signal}` : `exit code ${code}`));
  });
  child.stdin.on("error", () => undefined); // it has ended, which the next turn finds out
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async turn() {
      child.stdin.write("\n");
      const line = await Promise.race([lines.next(), ending.then(() => lines.next())]);
      if (line.done) {
        throw new SdmPruneError(`${label}: expected a measurement, but it ended (${await ending}).`);
      }
      return parseTurn(label, line.value);
    },
    async end() {
      child.stdin.end();
      await ending;
    },
  };
}

function parseTurn(label: string, line: string): Turn {
  try {
    const turn = JSON.parse(line) as Partial<Turn>;
    const { name, ms } = turn;
    if (typeof name === "string" && typeof ms === "number" && ms > 0) return { ...turn, name, ms };
  } catch {
    // falls through to the error that shows the line
  }
  throw new SdmPruneError(`${label}: expected a line {"name": …, "ms": …}, got ${JSON.stringify(line)}.`);
}
