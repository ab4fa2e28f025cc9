import { ConfigError, UsageError, VERSION, type Run } from "@sdmprune/core";
import { calibrationSweep, type ImportanceCriterion, type ScoreSet } from "@sdmprune/importance";
import { encodeScoreFile } from "@sdmprune/importance/score-file";
import type { JsonValue } from "@sdmprune/model-io";
import { writeFileAtomic } from "@sdmprune/model-io/node";
import { drawCalibration, type CalibrationRequest } from "./calibration.js";
import {
  createCriterion,
  criterionOptions,
  needsSamples,
  optionNames,
  type Options,
} from "./create-criterion.js";
import { openModel } from "./open-model.js";
import { assertNewFile } from "./replace-output.js";
import { snakeKeys } from "./snake-keys.js";
import { startEngine, type EngineRequest } from "./start-engine.js";

export interface ScoreRequest extends EngineRequest {
  /** A checkpoint folder or a hub id. */
  readonly model: string;
  /** Registered importances; all are fed by one pass over the samples. */
  readonly importances: readonly string[];
  /** Options of the importances; each gets the ones it knows. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Model that distillation compares with, a folder or a hub id. Default: the model itself. */
  readonly teacher?: string;
  readonly calibration?: CalibrationRequest;
  /** Score file to write. */
  readonly output: string;
  /** Replaces an existing file. */
  readonly force?: boolean;
}

export interface ScoreResult {
  readonly output: string;
  readonly scores: ScoreSet;
}

/** Scores the MLP neurons of a model by one or more criteria and writes a score file. */
export async function score(run: Run, request: ScoreRequest): Promise<ScoreResult> {
  await assertNewFile(request.output, request.force ?? false);
  const model = await openModel(run, request.model);
  const teacher = request.teacher === undefined ? undefined : await openModel(run, request.teacher);
  const { criteria, options } = await createCriteria(run, request);
  const hungry = [...criteria].find(([, criterion]) => needsSamples(criterion));
  const calibration =
    hungry && (await drawCalibration(run, model, request.calibration, `importance "${hungry[0]}"`));
  if (teacher && teacher.config.vocabSize !== model.config.vocabSize) {
    throw new UsageError(
      `teacher: expected the model's vocabulary of ${model.config.vocabSize} tokens, got ${teacher.config.vocabSize}.`,
    );
  }
  const backend = await startEngine(run, request);
  const student = await model.family.load(model.checkpoint, model.config);
  const teacherModel = await teacher?.family.load(teacher.checkpoint, teacher.config);
  try {
    const scores = await calibrationSweep({
      student,
      teacher: teacherModel,
      samples: calibration?.samples ?? [],
      criteria,
      progress: run.progress,
      signal: run.signal,
    });
    const manifest = {
      model_sha256: await model.checkpoint.hash(),
      teacher_sha256: await teacher?.checkpoint.hash(),
      options,
      seed: run.seed,
      calibration: calibration && snakeKeys(calibration.provenance),
      backend: backend.name,
      versions: { sdmprune: VERSION },
    };
    const bytes = await encodeScoreFile({
      importances: scores,
      stages: [],
      manifest: JSON.parse(JSON.stringify(manifest)) as Record<string, JsonValue>,
    });
    await writeFileAtomic(request.output, bytes);
    return { output: request.output, scores };
  } finally {
    student.dispose();
    teacherModel?.dispose();
  }
}

/** Every importance with those of the options that it has, and these options in full. */
async function createCriteria(
  run: Run,
  { importances, options: asked = {} }: ScoreRequest,
): Promise<{ criteria: Map<string, ImportanceCriterion>; options: Record<string, Options> }> {
  const criteria = new Map<string, ImportanceCriterion>();
  const options: Record<string, Options> = {};
  const used = new Set<string>();
  for (const entry of importances.map((name) => run.registries.importances.entry(name))) {
    const known = optionNames(entry);
    const own = Object.fromEntries(Object.entries(asked).filter(([key]) => known.includes(key)));
    for (const key of Object.keys(own)) used.add(key);
    options[entry.name] = criterionOptions(run, entry.name, own);
    criteria.set(entry.name, await createCriterion(run, entry.name, own));
  }
  const unused = Object.keys(asked).filter((key) => !used.has(key));
  if (unused.length > 0) {
    throw new ConfigError(`${importances.join(", ")}: no such option as ${unused.join(", ")}.`);
  }
  return { criteria, options };
}
