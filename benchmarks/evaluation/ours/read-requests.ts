import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Requests of a task as `sdmprune eval --dump-requests` writes them: `[context, continuation]`, or `[text]`. */
export function readRequests(folder: string, task: string): string[][] {
  const lines = readFileSync(join(folder, `${task}.jsonl`), "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as string[]);
}
