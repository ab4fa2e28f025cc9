/**
 * Compares our logits of a checkpoint folder with those of transformers in float32.
 *
 *     npx tsx --tsconfig tsconfig.base.json --conditions=@sdmprune/source tools/compare-with-transformers.ts \
 *       PYTHON FOLDER [DENSE_FOLDER]
 *
 * PYTHON has the packages of tools/reference/requirements.txt. With DENSE_FOLDER, the kept neurons are compared bit for
 * bit with the model that was pruned. Prints one JSON document; exits 1 if the largest difference is above 1e-4.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Rng } from "@sdmprune/core";
import { forwardHidden, headLogits } from "@sdmprune/models";
import { openModel, startEngine } from "@sdmprune/recipes";
import { createHost } from "sdmprune";

const TOLERANCE = 1e-4;
const LENGTH = 64;

interface PythonReport {
  readonly ok: boolean;
  readonly problems: readonly string[];
  readonly logits_last: readonly number[];
  readonly argmax: readonly number[];
}

const [python, folder, dense] = process.argv.slice(2);
if (!python || !folder) {
  throw new Error("compare-with-transformers: expected PYTHON FOLDER [DENSE_FOLDER].");
}
const run = (await createHost()).createRun();
const model = await openModel(run, folder);
await startEngine(run, {});
const rng = new Rng(0, "compare");
const ids = Int32Array.from({ length: LENGTH }, () => rng.integer(model.config.vocabSize));

const lm = await model.family.load(model.checkpoint, model.config);
const hidden = await forwardHidden(lm, ids, 1);
const logits = await headLogits(lm.head, hidden); // [T, V]
const values = (await logits.data()) as Float32Array;
const { vocabSize } = model.config;
const rows = Array.from({ length: LENGTH }, (_, t) => values.subarray(t * vocabSize, (t + 1) * vocabSize));

const scratch = mkdtempSync(join(tmpdir(), "compare-"));
writeFileSync(join(scratch, "ids.json"), JSON.stringify(Array.from(ids)));
const script = fileURLToPath(new URL("reference/check_pruned.py", import.meta.url));
const args = [script, folder, join(scratch, "ids.json"), ...(dense ? ["--dense", dense] : [])];
const report = JSON.parse(
  execFileSync(python, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], maxBuffer: 2 ** 28 }),
) as PythonReport;
rmSync(scratch, { recursive: true });

const difference = report.logits_last.reduce(
  (most, z, v) => Math.max(most, Math.abs(z - rows.at(-1)![v]!)),
  0,
);
const argmax = rows.map((row) => row.reduce((best, z, v) => (z > row[best]! ? v : best), 0));
const sameArgmax = argmax.filter((v, t) => v === report.argmax[t]).length;
const result = {
  folder,
  loadsInTransformers: report.ok,
  problems: report.problems,
  largestLogitDifference: difference,
  sameArgmax: `${sameArgmax} of ${LENGTH}`,
};
process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
process.exitCode = report.ok && difference <= TOLERANCE ? 0 : 1;
await run.dispose();
