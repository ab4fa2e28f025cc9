import { InterruptedError, UsageError, type Run } from "@sdmprune/core";
import { formatPlan, planWidths, type PruningPlan } from "@sdmprune/pruning";
import { writeFileAtomic } from "@sdmprune/model-io/node";
import { checkCompensation, compensate } from "./compensate.js";
import { checkCompatibility, type Compatibility } from "./compatibility.js";
import { makePlan, readPlan } from "./make-plan.js";
import { checkMemory } from "./memory-budget.js";
import { openModel } from "./open-model.js";
import { findPreset } from "./presets.js";
import type { ExportForm, PruneRequest } from "./prune-request.js";
import { assertNewFile, beginOutput } from "./replace-output.js";
import { WorkFolder } from "./work-folder.js";
import { encodePlan, writePruned } from "./write-pruned.js";

export interface PruneResult {
  readonly plan: PruningPlan;
  /** What was written: the folder, or with `planOnly` the plan's file; nothing if none was asked for. */
  readonly output?: string;
  /** What loads the widths as they were, or would be, written. */
  readonly compatibility: readonly Compatibility[];
}

/**
 * Prunes the MLPs of a checkpoint: a folder goes in, a smaller folder that stock tools load comes out.
 *
 * @throws {UsageError} If the request contradicts itself or cannot be met.
 * @throws {NonFiniteError} If a score is not finite.
 * @throws {InterruptedError} If the run is interrupted; what was scored is kept for `resume`.
 */
export async function prune(run: Run, asked: PruneRequest): Promise<PruneResult> {
  const request = withPreset(asked);
  checkRequest(request);
  try {
    return request.planOnly ? await planOnly(run, request) : await pruneFolder(run, request, request.output!);
  } catch (error) {
    if (run.signal.aborted) throw await interrupted(request.output, error);
    throw error;
  }
}

async function planOnly(run: Run, request: PruneRequest): Promise<PruneResult> {
  const { output } = request;
  if (output !== undefined) await assertNewFile(output, request.force ?? false);
  const model = await openModel(run, request.model);
  const { plan, work } = await makePlan(run, model, request);
  const compatibility = checkCompatibility(widthsToWrite(plan, request.exportForm));
  if (output === undefined) return { plan, compatibility };
  await writeFileAtomic(output, encodePlan(plan));
  await work?.remove();
  return { plan, output, compatibility };
}

async function pruneFolder(run: Run, request: PruneRequest, output: string): Promise<PruneResult> {
  const startedAt = new Date();
  const model = await openModel(run, request.model);
  // Nothing long starts before it is certain that its result can be put in place.
  const folder = await beginOutput(output, model.checkpoint.dir, request.force ?? false);
  try {
    const made =
      request.plan === undefined ? await makePlan(run, model, request) : await readPlan(model, request.plan);
    const writtenWidths = widthsToWrite(made.plan, request.exportForm);
    run.progress({ type: "info", message: formatPlan(made.plan) });
    const compensated = await compensate(run, model, request, made);
    try {
      await writePruned(run, model, request, made, { folder, writtenWidths, startedAt, compensated });
    } finally {
      await compensated?.close();
    }
    await folder.commit();
    await made.work?.remove();
    return { plan: made.plan, output, compatibility: checkCompatibility(writtenWidths) };
  } finally {
    await folder.discard();
  }
}

function withPreset(request: PruneRequest): PruneRequest {
  if (request.preset === undefined) return request;
  const preset = findPreset(request.preset);
  const { pruningRatio, ratioOf, alpha, tau, nsamples, seqlen, sampler } = preset;
  const method = request.method ?? preset.method;
  if (method !== preset.method) {
    throw new UsageError(`preset: "${request.preset}" is for the method ${preset.method}, got ${method}.`);
  }
  return {
    ...request,
    method,
    ratioOf: request.ratioOf ?? ratioOf,
    pruningRatio: request.pruningRatio ?? (request.width === undefined ? pruningRatio : undefined),
    methodOptions: { alpha, tau, ...request.methodOptions },
    calibration: request.calibration && { nsamples, seqlen, sampler, ...request.calibration },
  };
}

function checkRequest(request: PruneRequest): void {
  const { output, planOnly, width, pruningRatio } = request;
  checkMemory(request.memory);
  checkCompensation(request);
  if (!planOnly && output === undefined) {
    throw new UsageError(
      "prune: expected an output folder. Give one with -o DIR, or ask for the plan only with --plan-only.",
    );
  }
  if (width !== undefined && pruningRatio !== undefined) {
    throw new UsageError("prune: expected a ratio or a width, got both.");
  }
  if (request.plan === undefined) return;
  const decided = ["scores", "planOnly", "pruningRatio", "width", "method", "allocation", "preset"] as const;
  const too = decided.filter((key) => request[key] !== undefined && request[key] !== false);
  if (too.length > 0) {
    throw new UsageError(
      `prune: a plan says already what to remove; expected it alone, got ${too.join(", ")} too.`,
    );
  }
}

function widthsToWrite(plan: PruningPlan, form: ExportForm = "padded"): number[] {
  const widths = planWidths(plan);
  const widest = Math.max(...widths);
  return form === "padded" ? widths.map(() => widest) : widths;
}

async function interrupted(output: string | undefined, cause: unknown): Promise<InterruptedError> {
  const isKept = output !== undefined && (await WorkFolder.exists(output));
  const hint = isKept ? " What was scored is kept: --resume goes on from there." : "";
  return new InterruptedError(`Interrupted.${hint}`, { cause });
}
