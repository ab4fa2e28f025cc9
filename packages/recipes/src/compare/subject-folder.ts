import type { Run } from "@sdmprune/core";
import type { Subject } from "./cells.js";
import type { ComparisonContext } from "./comparison-context.js";
import { dropRecovered, recoveredFolder, recoverRecord } from "./recover-cell.js";
import { dropPruned, prunedFolder, pruneRecord } from "./subject-models.js";

/** SHA-256 of a subject's model, if it has been made. */
export async function subjectSha256(
  context: ComparisonContext,
  run: Run,
  subject: Subject,
): Promise<string | undefined> {
  if (subject.recovery) return (await recoverRecord(context, run, subject))?.value.modelSha256;
  if (subject.variant) return (await pruneRecord(context, run, subject))?.value.modelSha256;
  return (await context.model(run)).checkpoint.hash();
}

/** Folder of a subject's model; written first if it is not there (any more). */
export async function subjectFolder(context: ComparisonContext, run: Run, subject: Subject): Promise<string> {
  if (subject.recovery) return recoveredFolder(context, run, subject);
  if (subject.variant) return prunedFolder(context, run, subject);
  return (await context.model(run)).checkpoint.dir;
}

/** Deletes the folder of a subject that was made; it is made again if it is needed once more. */
export async function dropModel(context: ComparisonContext, run: Run, subject: Subject): Promise<void> {
  if (subject.recovery && (await recoverRecord(context, run, subject))) {
    await dropRecovered(context, run, subject);
  }
  if (subject.variant) await dropPruned(context, run, subject);
}
