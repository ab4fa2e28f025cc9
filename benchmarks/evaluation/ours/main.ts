import { argv, stdin } from "node:process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { causalLanguageModel } from "@sdmprune/evaluation/causal-lm";
import { openTokenizer } from "@sdmprune/model-io/node";
import { openModel, startEngine } from "@sdmprune/recipes";
import { createHost } from "sdmprune";
import { takeTurns } from "../../speed/ours/take-turns.js";
import { readRequests } from "./read-requests.js";

// The counterpart of peers/lm_eval_peer.py: main.ts MODEL REQUESTS REPETITIONS [--threads N] [--only NAME]...
const { values, positionals } = parseArgs({
  args: argv.slice(2),
  allowPositionals: true,
  options: {
    threads: { type: "string", default: "2" },
    only: { type: "string", multiple: true, default: [] },
  },
});
const [folder = "", requests = "", repetitions] = positionals;
const run = (await createHost()).createRun();
const model = await openModel(run, folder);
const tokenizer = await openTokenizer(model.checkpoint.dir);
await startEngine(run, { threads: Number(values.threads) });
const causal = await model.family.load(model.checkpoint, model.config);
const lm = causalLanguageModel(causal, tokenizer, { addBos: true });

/** Scores as tasks do: texts in, numbers out. */
async function score(lines: readonly (readonly string[])[]): Promise<void> {
  if (lines[0]!.length === 1) await lm.loglikelihoodRolling(lines.map(([text]) => text!));
  else
    await lm.loglikelihood(
      lines.map(([context, continuation]) => ({ context: context!, continuation: continuation! })),
    );
}

const cases = values.only.map((name) => ({
  name,
  what: "",
  setUp: () => {
    const lines = readRequests(requests, name);
    const warmUp = () => score(lines.slice(0, 8));
    return { warmUp, run: () => score(lines), dispose: () => {} };
  },
}));
await takeTurns(cases, {
  repetitions: Number(repetitions),
  only: values.only,
  lines: createInterface({ input: stdin })[Symbol.asyncIterator](),
  print: (line) => console.log(line),
});
causal.dispose();
await run.dispose();
