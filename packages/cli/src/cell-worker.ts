import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { SdmPruneError } from "@sdmprune/core";
import type { CellRunner } from "@sdmprune/recipes";

/** What a worker says of a cell, a line each. */
export interface CellAnswer {
  readonly id: string;
  readonly error?: string;
}

const BIN = fileURLToPath(new URL("../bin/sdmprune.js", import.meta.url));

/**
 * Starts this program once more to run cells, with its share of the cores. A worker that dies takes its cell with it
 * and is started anew for the next.
 *
 * @param args - Arguments of `sdmprune compare`.
 */
export function startCellWorker(args: readonly string[], numWorkers: number): CellRunner {
  const threads = Math.max(1, Math.floor(availableParallelism() / numWorkers));
  const start = () => {
    const flags = ["--worker", "--threads", String(threads), "--quiet"];
    const child = spawn(process.execPath, [BIN, "compare", ...args, ...flags], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr = (stderr + text).slice(-2000)));
    child.stdin.on("error", () => {}); // its end is told by "exit"
    const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    let isAlive = true;
    const exited = new Promise<string>((resolve) => {
      child.on("exit", (code, signal) => {
        isAlive = false;
        const lines = stderr.trim().split("\n");
        resolve(`a worker ended with ${signal ?? `code ${code}`}: ${lines.at(-1) ?? ""}`);
      });
    });
    return { child, answers, exited, isAlive: () => isAlive };
  };
  let worker = start();
  return {
    async run({ id }) {
      if (!worker.isAlive()) worker = start();
      worker.child.stdin.write(`${id}\n`);
      const answer = await worker.answers.next();
      if (answer.done === true) throw new SdmPruneError(`${id}: ${await worker.exited}`);
      const { error } = JSON.parse(answer.value) as CellAnswer;
      if (error !== undefined) throw new SdmPruneError(error);
    },
    async close() {
      worker.child.stdin.end();
      worker.child.kill("SIGTERM");
      await worker.exited;
    },
  };
}
