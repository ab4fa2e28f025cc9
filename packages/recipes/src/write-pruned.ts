import { createHash } from "node:crypto";
import type { Run } from "@sdmprune/core";
import { editConfig, type JsonValue } from "@sdmprune/model-io";
import { writeCheckpointInto, type AtomicFolder } from "@sdmprune/model-io/node";
import { applyPlan, type PruningPlan } from "@sdmprune/pruning";
import type { Compensated } from "./compensate.js";
import type { MadePlan } from "./make-plan.js";
import type { OpenedModel } from "./open-model.js";
import type { PruneRequest } from "./prune-request.js";
import { pruningManifest } from "./pruning-manifest.js";

export interface WriteInto {
  readonly folder: AtomicFolder;
  /** Width every layer has in the files. */
  readonly writtenWidths: readonly number[];
  readonly startedAt: Date;
  readonly compensated?: Compensated | undefined;
}

/** Fills the output folder: checkpoint, manifest, plan, scores, and `run.json` with what differs from run to run. */
export async function writePruned(
  run: Run,
  { checkpoint, family, config }: OpenedModel,
  request: PruneRequest,
  made: MadePlan,
  { folder, writtenWidths, startedAt, compensated }: WriteInto,
): Promise<void> {
  const isUniform = writtenWidths.every((width) => width === writtenWidths[0]);
  const edits = {
    ...family.setWidth(checkpoint.config, isUniform ? writtenWidths[0]! : writtenWidths),
    ...compensated?.config,
  };
  void checkpoint.hash().catch(() => undefined); // begins, if it was not wanted before; failures are met below
  const task = "write checkpoint";
  run.progress({ type: "start", task, unit: "bytes" });
  await writeCheckpointInto(folder, {
    config: editConfig(checkpoint.configText, edits as Record<string, JsonValue>),
    tensors: applyPlan(checkpoint, made.plan, {
      groups: family.prunableGroups(config),
      edits: [...made.edits, ...(compensated?.edits ?? [])],
      added: compensated?.added(writtenWidths) ?? [],
      ...(isUniform && { padTo: writtenWidths[0]! }),
    }),
    carryOverFrom: checkpoint,
    onProgress: (done, total) => run.progress({ type: "advance", task, done, total, unit: "bytes" }),
    signal: run.signal,
  });
  // These two wait for the checkpoint's hash, which was computed meanwhile.
  const scores = await made.scores?.();
  await folder.writeFile(
    "pruning_manifest.json",
    pruningManifest({
      ...made,
      writtenWidths,
      exportForm: request.exportForm ?? "padded",
      ...(compensated && { compensation: compensated.record }),
      sourceSha256: await checkpoint.hash(),
      ...(scores && { scoresSha256: createHash("sha256").update(scores).digest("hex") }),
    }),
  );
  if (scores) await folder.writeFile("pruning/scores.safetensors", scores);
  await folder.writeFile("pruning/plan.json", encodePlan(made.plan));
  await folder.writeFile("run.json", runRecord(request, startedAt));
  run.progress({ type: "end", task });
}

export function encodePlan(plan: PruningPlan): string {
  return `${JSON.stringify(plan)}\n`;
}

function runRecord({ model, output }: PruneRequest, startedAt: Date): string {
  const finishedAt = new Date();
  const seconds = (finishedAt.getTime() - startedAt.getTime()) / 1000;
  const record = { started_at: startedAt, finished_at: finishedAt, seconds, model, output };
  return `${JSON.stringify(record, null, 2)}\n`;
}
