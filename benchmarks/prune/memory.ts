import { join } from "node:path";
import { argv } from "node:process";
import { parseArgs } from "node:util";
import { measureSdmprune, type ProcessCost } from "./measure-process.js";
import { checkpointOfShape, freeBytes, saveResults, withWorkspace } from "./workspace.js";

// A prune under memory limits: peaks, and times beside those with everything in memory: npm run bench:memory.
// See README.md.
const { values } = parseArgs({
  args: argv.slice(2),
  options: {
    case: { type: "string", multiple: true, default: ["llama-3.2-1b"] },
    workspace: { type: "string" },
    output: { type: "string", short: "o" },
  },
});

interface MemoryCase {
  readonly seqlen: number;
  readonly nsamples: number;
  /** The limits to run under, from the widest; the first is the reference. */
  readonly limits: readonly { readonly memory: string; readonly what: string }[];
  /** Bytes that a checkpoint and its pruned copy take. */
  readonly diskBytes: number;
}

const CASES: Readonly<Record<string, MemoryCase>> = {
  "smollm2-135m": {
    seqlen: 1024,
    nsamples: 2,
    limits: [
      { memory: "8GiB", what: "weights and activations in memory" },
      { memory: "2GiB", what: "weights in memory, activations recomputed" },
      { memory: "1.5GiB", what: "weights read block by block" },
    ],
    diskBytes: 2 ** 30,
  },
  "llama-3.2-1b": {
    seqlen: 1024,
    nsamples: 2,
    limits: [
      { memory: "14GiB", what: "weights and activations in memory" },
      { memory: "7.5GiB", what: "weights in memory, activations recomputed" },
      { memory: "3GiB", what: "weights read block by block" },
    ],
    diskBytes: 6e9,
  },
  "llama-2-7b": {
    seqlen: 512,
    nsamples: 1,
    limits: [{ memory: "8GiB", what: "weights read block by block" }],
    diskBytes: 26e9,
  },
};

const results = await withWorkspace(values.workspace, async (workspace) => {
  const measured: object[] = [];
  for (const shape of values.case) {
    const wanted = CASES[shape];
    if (!wanted) throw new Error(`--case: expected one of ${Object.keys(CASES).join(", ")}, got "${shape}".`);
    const free = await freeBytes(workspace);
    if (free < wanted.diskBytes) {
      console.error(
        `${shape}: about ${(wanted.diskBytes / 1e9).toFixed(0)} GB of disk are used, ${(free / 1e9).toFixed(0)} are free.`,
      );
    }
    measured.push({ shape, ...(await measureCase(workspace, shape, wanted)) });
  }
  return measured;
});
await saveResults(
  values.output,
  "sdmprune-memory-1",
  `npm run bench:memory -- ${values.case.map((name) => `--case ${name}`).join(" ")}`,
  { results },
);

async function measureCase(
  workspace: string,
  shape: string,
  { seqlen, nsamples, limits }: MemoryCase,
): Promise<object> {
  const { model, windows } = await checkpointOfShape(workspace, shape, { seqlen });
  const runs: (ProcessCost & { memory: string; what: string; timeRatio: number })[] = [];
  for (const { memory, what } of limits) {
    const cost = await measureSdmprune(
      ...["prune", model, "-o", join(workspace, `${shape}-pruned`), "--force", "--method", "sdmprune"],
      ...["--calibration", windows, "--nsamples", `${nsamples}`, "--seqlen", `${seqlen}`],
      ...["--memory", memory],
    );
    const timeRatio = cost.seconds / (runs[0]?.seconds ?? cost.seconds);
    runs.push({ memory, what, timeRatio, ...cost });
    const before = runs
      .slice(0, -1)
      .map((run) => `${(cost.seconds / run.seconds).toFixed(2)} × ${run.memory}`);
    console.log(
      `${shape}, ${nsamples} × ${seqlen} tokens, --memory ${memory} (${what}): peak ${(cost.peakBytes / 2 ** 30).toFixed(2)} GiB, ` +
        `${cost.seconds.toFixed(0)} s (${cost.cpuSeconds.toFixed(0)} s of processor)${before.length > 0 ? `; time ${before.join(", ")}` : ""}`,
    );
  }
  return { seqlen, nsamples, runs };
}
