import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { NotFoundError, UsageError, type Run } from "@sdmprune/core";
import type { CalibrationSet } from "@sdmprune/data";
import { encodeScoreFile, readScoreFile, type ScoreFile } from "@sdmprune/importance/score-file";
import { editConfig, type JsonValue } from "@sdmprune/model-io";
import { AtomicFolder, FileByteSource, writeCheckpointInto } from "@sdmprune/model-io/node";
import {
  applyPlan,
  assertPlanFits,
  createPlan,
  createSingleStageMethod,
  formatPlan,
  parsePlan,
  planWidths,
  targetWidth,
  type PruningMethod,
  type PruningPlan,
  type PruningTarget,
  type TensorEdits,
} from "@sdmprune/pruning";
import { drawCalibration } from "./calibration.js";
import { checkCompatibility, type Compatibility } from "./compatibility.js";
import { createCriterion, needsSamples } from "./create-criterion.js";
import { openModel, type OpenedModel } from "./open-model.js";
import { findPreset } from "./presets.js";
import type { ExportForm, PruneRequest } from "./prune-request.js";
import { pruningManifest } from "./pruning-manifest.js";
import { assertCanAllocate, runStages, type StagesResult } from "./run-stages.js";
import { startEngine } from "./start-engine.js";
import { WorkFolder } from "./work-folder.js";

const DEFAULT_METHOD = "sdmprune";
const DEFAULT_RATIO = 0.2;
const DEFAULT_ROUND_TO = 64;
const DEFAULT_ALLOCATION = "uniform";

export interface PruneResult {
  readonly plan: PruningPlan;
  /** The folder written, unless only a plan was wanted. */
  readonly output?: string;
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
  const startedAt = new Date();
  const request = withPreset(asked);
  checkRequest(request);
  const model = await openModel(run, request.model);
  // Nothing long starts before it is certain that its result can be put in place.
  const folder = request.planOnly
    ? undefined
    : await AtomicFolder.begin(request.output!, { force: request.force });
  try {
    const made = request.plan ? await readPlan(model, request.plan) : await makePlan(run, model, request);
    const writtenWidths = widthsToWrite(made.plan, request.exportForm ?? "padded");
    const compatibility = checkCompatibility(writtenWidths);
    if (!folder) return { plan: made.plan, compatibility };

    run.progress({ type: "info", message: formatPlan(made.plan) });
    await writePruned(run, model, request, made, { folder, writtenWidths, startedAt });
    await folder.commit();
    await made.work?.remove();
    return { plan: made.plan, output: request.output!, compatibility };
  } finally {
    await folder?.discard();
  }
}

function withPreset(request: PruneRequest): PruneRequest {
  if (request.preset === undefined) return request;
  const { method, pruningRatio, ratioOf, alpha, tau, nsamples, seqlen, sampler } = findPreset(request.preset);
  return {
    method,
    ratioOf,
    ...request,
    pruningRatio: request.pruningRatio ?? (request.width === undefined ? pruningRatio : undefined),
    methodOptions: { alpha, tau, ...request.methodOptions },
    calibration: request.calibration && { nsamples, seqlen, sampler, ...request.calibration },
  };
}

function checkRequest({ output, planOnly, plan, scores, width, pruningRatio }: PruneRequest): void {
  if (!planOnly && output === undefined) {
    throw new UsageError(
      "prune: expected an output folder. Give one with -o DIR, or ask for the plan only with --plan-only.",
    );
  }
  if (
    plan !== undefined &&
    (scores !== undefined || planOnly || width !== undefined || pruningRatio !== undefined)
  ) {
    throw new UsageError(
      "prune: a plan says already what to remove; leave out --scores, --plan-only, --ratio and --width.",
    );
  }
  if (width !== undefined && pruningRatio !== undefined) {
    throw new UsageError("prune: expected a ratio or a width, got both.");
  }
}

/** A plan, and what the manifest says of how it was made. */
interface MadePlan {
  readonly plan: PruningPlan;
  readonly method: string;
  readonly methodOptions: Readonly<Record<string, unknown>>;
  readonly stages: readonly string[];
  readonly allocation: string;
  readonly target: Readonly<Record<string, unknown>>;
  readonly edits: readonly TensorEdits[];
  readonly scores?: Uint8Array;
  readonly calibration?: JsonValue;
  readonly backend?: string;
  readonly work?: WorkFolder | undefined;
}

async function readPlan(model: OpenedModel, file: string): Promise<MadePlan> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new NotFoundError(`plan: cannot read "${file}". Give a plan that prune --plan-only wrote.`, {
      cause,
    });
  });
  const plan = parsePlan(text, file);
  assertPlanFits(plan, model.shape, file);
  // Counted anew: the numbers in the file are for people.
  const counted = createPlan(
    model.family.modelType,
    model.shape,
    plan.layers.map(({ kept }) => Int32Array.from(kept)),
  );
  return {
    plan: counted,
    method: "plan",
    methodOptions: {},
    stages: [],
    allocation: "plan",
    target: {},
    edits: [],
  };
}

async function makePlan(run: Run, model: OpenedModel, request: PruneRequest): Promise<MadePlan> {
  const roundTo = request.width === undefined ? (request.roundTo ?? DEFAULT_ROUND_TO) : 1;
  const target: PruningTarget =
    request.width === undefined
      ? { pruningRatio: request.pruningRatio ?? DEFAULT_RATIO, ratioOf: request.ratioOf ?? "total", roundTo }
      : { width: request.width };
  const width = targetWidth(model.shape, target);
  const allocationName = request.allocation ?? DEFAULT_ALLOCATION;
  const allocation = await run.registries.allocations.create(allocationName);
  const methodName = request.method ?? DEFAULT_METHOD;
  const scoreFile = request.scores === undefined ? undefined : await openScoreFile(request.scores);
  const methodOptions = optionsFor(methodName, request.methodOptions ?? {}, scoreFile?.file);
  assertCanAllocate(allocationName, methodOptions);
  const method = await createMethod(run, methodName, methodOptions);
  const stages = method.stages({ shape: model.shape, width });

  const sourceSha256 = await model.checkpoint.hash();
  const calibration =
    method.needsCalibration && !scoreFile
      ? await drawCalibration(run, model, request.calibration, `method "${methodName}"`)
      : undefined;
  const backend = scoreFile ? undefined : await startEngine(run, request);
  const settings = { method: methodName, methodOptions, seed: run.seed, allocation: allocationName, target };
  const work =
    request.planOnly || scoreFile
      ? undefined
      : await WorkFolder.open(
          request.output!,
          workRequest(settings, sourceSha256, calibration, backend?.name),
          {
            resume: request.resume ?? false,
            progress: run.progress,
          },
        );
  const result = await runStages({ run, model, stages, allocation, roundTo, calibration, scoreFile, work });
  const provenance = (calibration?.provenance ?? scoreFile?.file.manifest["calibration"]) as
    JsonValue | undefined;
  return {
    ...settings,
    plan: createPlan(model.family.modelType, model.shape, result.kept),
    stages: stages.map(({ name }) => name),
    edits: result.edits,
    scores: await encodeScores(result, { ...settings, sourceSha256, calibration: provenance }),
    ...(provenance !== undefined && { calibration: provenance }),
    ...(backend && { backend: backend.name }),
    work,
  };
}

/** A registered method, or a registered importance as a method of one stage. */
async function createMethod(
  run: Run,
  name: string,
  options: Readonly<Record<string, unknown>>,
): Promise<PruningMethod> {
  const { methods, importances } = run.registries;
  if (methods.has(name) || !importances.has(name)) return methods.create(name, options);
  const criterion = await createCriterion(run, name, options);
  return createSingleStageMethod(name, { needsCalibration: needsSamples(criterion), options });
}

async function openScoreFile(name: string): Promise<{ file: ScoreFile; name: string }> {
  return { file: await readScoreFile(await FileByteSource.open(name), name), name };
}

/** Scores of the model as it is have no stages: SDMPrune prunes from them in one. */
function optionsFor(
  method: string,
  options: Readonly<Record<string, unknown>>,
  file: ScoreFile | undefined,
): Readonly<Record<string, unknown>> {
  const isPlain = file !== undefined && file.stages.length < 2;
  return method === DEFAULT_METHOD && isPlain ? { stages: 1, ...options } : options;
}

function workRequest(
  settings: object,
  sourceSha256: string,
  calibration: CalibrationSet | undefined,
  backend: string | undefined,
): JsonValue {
  const tokens = calibration?.provenance.tokensSha256 ?? null;
  return JSON.parse(JSON.stringify({ ...settings, source: sourceSha256, tokens, backend })) as JsonValue;
}

async function encodeScores(result: StagesResult, manifest: object): Promise<Uint8Array> {
  return encodeScoreFile({
    importances: new Map(),
    stages: result.stages,
    manifest: JSON.parse(JSON.stringify(manifest)) as Record<string, JsonValue>,
  });
}

function widthsToWrite(plan: PruningPlan, form: ExportForm): number[] {
  const widths = planWidths(plan);
  const widest = Math.max(...widths);
  return form === "padded" ? widths.map(() => widest) : widths;
}

async function writePruned(
  run: Run,
  model: OpenedModel,
  request: PruneRequest,
  made: MadePlan,
  { folder, writtenWidths, startedAt }: { folder: AtomicFolder; writtenWidths: number[]; startedAt: Date },
): Promise<void> {
  const { checkpoint, family, config } = model;
  const isUniform = writtenWidths.every((width) => width === writtenWidths[0]);
  const tensors = applyPlan(checkpoint, made.plan, {
    groups: family.prunableGroups(config),
    edits: made.edits,
    ...(isUniform && { padTo: writtenWidths[0]! }),
  });
  const edits = family.setWidth(checkpoint.config, isUniform ? writtenWidths[0]! : writtenWidths);
  const manifest = pruningManifest({
    ...made,
    seed: run.seed,
    writtenWidths,
    exportForm: request.exportForm ?? "padded",
    sourceSha256: await checkpoint.hash(),
    ...(made.scores && { scoresSha256: createHash("sha256").update(made.scores).digest("hex") }),
  });
  const task = "write checkpoint";
  run.progress({ type: "start", task, unit: "bytes" });
  await writeCheckpointInto(folder, {
    config: editConfig(checkpoint.configText, edits as Record<string, JsonValue>),
    tensors,
    carryOverFrom: checkpoint,
    extraFiles: { "pruning_manifest.json": manifest },
    onProgress: (done, total) => run.progress({ type: "advance", task, done, total, unit: "bytes" }),
    signal: run.signal,
  });
  if (made.scores) await folder.writeFile("pruning/scores.safetensors", made.scores);
  await folder.writeFile("pruning/plan.json", `${JSON.stringify(made.plan)}\n`);
  const finishedAt = new Date();
  const seconds = (finishedAt.getTime() - startedAt.getTime()) / 1000;
  const record = {
    started_at: startedAt,
    finished_at: finishedAt,
    seconds,
    model: request.model,
    output: request.output,
  };
  await folder.writeFile("run.json", `${JSON.stringify(record, null, 2)}\n`);
  run.progress({ type: "end", task });
}
