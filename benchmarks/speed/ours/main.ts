import { argv, stdin } from "node:process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import backendOnnx from "@sdmprune/backend-onnx";
import { Host, UsageError } from "@sdmprune/core";
import { selectBackend, tensorPlugin } from "@sdmprune/tensor";
import { PROGRAMS } from "./programs.js";
import { takeTurns } from "./take-turns.js";

// The counterpart of the programs in peers/: main.ts PROGRAM REPETITIONS [--threads N] [--only NAME]...

/** As a prune allows itself where there is room. */
const POOL_BYTES = 2 ** 31;

const { values, positionals } = parseArgs({
  args: argv.slice(2),
  allowPositionals: true,
  options: {
    threads: { type: "string", default: "2" },
    only: { type: "string", multiple: true, default: [] },
  },
});
const [program = "", repetitions] = positionals;
const cases = new Map(Object.entries(PROGRAMS)).get(program);
if (!cases) {
  throw new UsageError(`main.ts: expected one of ${Object.keys(PROGRAMS).join(", ")}, got "${program}".`);
}
const host = new Host();
host.use(backendOnnx);
host.use(tensorPlugin);
await selectBackend(host.registries, {
  name: "onnx",
  threads: Number(values.threads),
  poolBytes: POOL_BYTES,
});
await takeTurns(cases, {
  repetitions: Number(repetitions),
  only: values.only,
  lines: createInterface({ input: stdin })[Symbol.asyncIterator](),
  print: (line) => console.log(line),
});
