import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, resolve } from "node:path";
import { isSdmPruneError, NotFoundError, VERSION, type Run } from "@sdmprune/core";
import { encodeScoreFile } from "@sdmprune/importance/score-file";
import type { CalibrationSet } from "@sdmprune/data";
import type { JsonValue } from "@sdmprune/model-io";
import {
  assertPlanFits,
  createPlan,
  createSingleStageMethod,
  parsePlan,
  planKept,
  targetWidth,
  type PruningMethod,
  type PruningPlan,
  type PruningTarget,
  type TensorEdits,
} from "@sdmprune/pruning";
import { drawCalibration } from "./calibration.js";
import {
  createCriterion,
  criterionOptions,
  needsSamples,
  optionNames,
  resolveOptions,
  type Options,
} from "./create-criterion.js";
import { memoryBudget } from "./memory-budget.js";
import type { OpenedModel } from "./open-model.js";
import type { PruneRequest } from "./prune-request.js";
import { assertCanAllocate, runStages } from "./run-stages.js";
import {
  methodOptionsOf,
  openScoreSource,
  originOf,
  type ScoreOrigin,
  type ScoreSource,
} from "./score-source.js";
import { snakeKeys } from "./snake-keys.js";
import { startEngine } from "./start-engine.js";
import { poolBytesOfSamples } from "./sweep-size.js";
import { WorkFolder } from "./work-folder.js";

const DEFAULT_METHOD = "sdmprune";
const DEFAULT_RATIO = 0.2;
const DEFAULT_ROUND_TO = 64;
const DEFAULT_ALLOCATION = "uniform";

/** A plan, and what the manifest says of how it was made. */
export interface MadePlan extends ScoreOrigin {
  readonly plan: PruningPlan;
  readonly method: string;
  readonly methodOptions: Options;
  /** Names of the stages that ran, in order. */
  readonly stages: readonly string[];
  readonly allocation: string;
  readonly target: JsonValue;
  readonly edits: readonly TensorEdits[];
  /** The samples that were drawn, if any were. */
  readonly samples?: CalibrationSet | undefined;
  /**
   * Makes the score file of the method.
   *
   * @throws {UsageError} If the scores came from a file and are not this model's.
   */
  readonly scores?: () => Promise<Uint8Array>;
  readonly work?: WorkFolder | undefined;
}

/**
 * A plan out of a file.
 *
 * @throws {UsageError} If it was made for a model of other widths.
 */
export async function readPlan(model: OpenedModel, file: string): Promise<MadePlan> {
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw new NotFoundError(`plan: cannot read "${file}". Give a plan that prune --plan-only wrote.`, {
      cause,
    });
  });
  const plan = parsePlan(text, file);
  assertPlanFits(plan, model.shape, file);
  return {
    // Counted anew: the numbers in the file are for people.
    plan: createPlan(model.family.modelType, model.shape, planKept(plan)),
    method: "plan",
    methodOptions: {},
    stages: [],
    allocation: "plan",
    target: {},
    edits: [],
    seed: undefined,
    calibration: undefined,
    backend: undefined,
  };
}

/** Scores a model by a method, or takes the scores of a file, and plans what to remove. */
export async function makePlan(run: Run, model: OpenedModel, request: PruneRequest): Promise<MadePlan> {
  const allocationName = request.allocation ?? DEFAULT_ALLOCATION;
  const allocation = await run.registries.allocations.create(allocationName);
  const methodName = request.method ?? DEFAULT_METHOD;
  const scores = request.scores === undefined ? undefined : await openScoreSource(request.scores, model);
  const asked = { ...(scores && optionsFrom(run, scores, methodName)), ...request.methodOptions };
  const { method, options: methodOptions } = await createMethod(run, methodName, asked);
  assertCanAllocate(methodName, method, allocationName);
  const roundTo = request.width === undefined ? (request.roundTo ?? DEFAULT_ROUND_TO) : 1;
  const target: PruningTarget =
    request.width === undefined
      ? { pruningRatio: request.pruningRatio ?? DEFAULT_RATIO, ratioOf: request.ratioOf ?? "total", roundTo }
      : { width: request.width };
  const width = targetWidth(model.shape, target);
  const stages = method.stages({ shape: model.shape, width, roundTo });

  // With scores from a file it is wanted at the end only, and takes as long as all the rest.
  const sourceSha256 = scores ? undefined : await model.checkpoint.hash();
  const calibration =
    method.needsCalibration && !scores
      ? await drawCalibration(run, model, request.calibration, `method "${methodName}"`)
      : undefined;
  const budget = await memoryBudget(request.memory);
  const poolBytes = poolBytesOfSamples(budget, model, calibration?.samples);
  const origin: ScoreOrigin = scores
    ? originOf(scores, run.seed, method.needsCalibration)
    : {
        seed: run.seed,
        calibration: calibration && snakeKeys(calibration.provenance),
        backend: (await startEngine(run, { ...request, poolBytes })).name,
      };
  const settings = {
    method: methodName,
    methodOptions,
    allocation: allocationName,
    target: snakeKeys(target),
    ...origin,
  };
  const manifest = {
    method: methodName,
    method_options: methodOptions,
    ...origin,
    versions: { sdmprune: VERSION },
  };
  const work =
    request.output === undefined || scores
      ? undefined
      : await WorkFolder.open(
          request.output,
          toJson({
            model_sha256: sourceSha256,
            ...manifest,
            allocation: allocationName,
            target,
            calibration: calibration?.provenance.tokensSha256,
          }),
          { resume: request.resume ?? false, progress: run.progress },
        );
  const result = await runStages({
    run,
    model,
    stages,
    allocation,
    roundTo,
    calibration,
    scores,
    work,
    budget,
    workers: { workers: request.workers, threads: request.threads },
    scratchFolder: request.output === undefined ? tmpdir() : dirname(resolve(request.output)),
  }).catch(async (error: unknown) => {
    await scores?.verify(); // scores of another model need no other complaint
    // Going on would end the same way, unless somebody stopped it.
    if (isSdmPruneError(error) && !run.signal.aborted) await work?.remove();
    throw error;
  });
  if (request.planOnly) await scores?.verify();
  return {
    ...settings,
    plan: createPlan(model.family.modelType, model.shape, result.kept),
    stages: stages.map(({ name }) => name),
    edits: result.edits,
    samples: calibration,
    scores: async () => {
      await scores?.verify();
      const recorded = { model_sha256: await model.checkpoint.hash(), ...manifest, stages: result.calls };
      return encodeScoreFile({
        importances: new Map(),
        stages: result.stages,
        manifest: toJson(recorded) as Record<string, JsonValue>,
      });
    },
    work,
  };
}

/** A registered method, or a registered importance as a method of one stage, and its options in full. */
export async function createMethod(
  run: Run,
  name: string,
  asked: Options,
): Promise<{ method: PruningMethod; options: Options }> {
  const { methods, importances } = run.registries;
  if (methods.has(name) || !importances.has(name)) {
    const options = resolveOptions("method", methods.entry(name), asked);
    return { method: await methods.create(name, asked), options };
  }
  const options = criterionOptions(run, name, asked);
  const needsCalibration = needsSamples(await createCriterion(run, name, asked));
  return { method: createSingleStageMethod(name, { needsCalibration, options: asked }), options };
}

/**
 * The options of a method that its scores were made with. Scores of the model as it is have no stages: SDMPrune
 * prunes from them in one.
 */
function optionsFrom(run: Run, scores: ScoreSource, name: string): Options {
  const { methods, importances } = run.registries;
  const isSdmPrune = name === DEFAULT_METHOD;
  const recorded = methodOptionsOf(scores, name, isSdmPrune ? "self-distillation" : name);
  const known = optionNames(methods.has(name) ? methods.entry(name) : importances.entry(name));
  const own = Object.fromEntries(Object.entries(recorded).filter(([key]) => known.includes(key)));
  return { ...own, ...(isSdmPrune && scores.file.stages.length < 2 && { stages: 1 }) };
}

function toJson(value: object): JsonValue {
  return JSON.parse(JSON.stringify(value)) as JsonValue;
}
