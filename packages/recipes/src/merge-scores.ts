import { FormatError, UsageError, type Run } from "@sdmprune/core";
import { finishScores, type ImportanceCriterion, type ScoreSet } from "@sdmprune/importance";
import {
  encodeScoreFile,
  mergeScoreShards,
  openScoreShard,
  type MergedShards,
} from "@sdmprune/importance/score-file";
import { isJsonObject } from "@sdmprune/model-io";
import { FileByteSource, writeFileAtomic } from "@sdmprune/model-io/node";
import { createCriterion } from "./create-criterion.js";
import { openModel } from "./open-model.js";
import { assertNewFile } from "./replace-output.js";
import { startEngine } from "./start-engine.js";

export interface MergeScoresRequest {
  /** All shard files of one score, in any order. */
  readonly shards: readonly string[];
  /** The model that was scored, for criteria whose last step looks at weights, such as `wanda`. */
  readonly model?: string;
  /** Score file to write. */
  readonly output: string;
  /** Replaces an existing file. */
  readonly force?: boolean;
  readonly threads?: number;
}

export interface MergeScoresResult {
  readonly output: string;
  readonly scores: ScoreSet;
}

/**
 * Merges the shards that `score --shard` wrote into the score file that one run would have written, byte for byte.
 *
 * @throws {UsageError} If a shard is missing, given twice, or of another run, or the model is needed and not given.
 * @throws {FormatError} If a file is no shard.
 */
export async function mergeScores(run: Run, request: MergeScoresRequest): Promise<MergeScoresResult> {
  await assertNewFile(request.output, request.force ?? false);
  const files = [];
  for (const name of request.shards) files.push(await openScoreShard(await FileByteSource.open(name), name));
  const merged = await mergeScoreShards(files);
  const criteria = await recordedCriteria(run, merged, request.shards[0]!);
  const scores = await finish(run, request, merged, criteria);
  const bytes = await encodeScoreFile({ importances: scores, stages: [], manifest: merged.manifest });
  await writeFileAtomic(request.output, bytes);
  return { output: request.output, scores };
}

/** The criteria that the shards were made with, in order. */
async function recordedCriteria(
  run: Run,
  { manifest }: MergedShards,
  where: string,
): Promise<Map<string, ImportanceCriterion>> {
  const { options } = manifest;
  if (!isJsonObject(options)) {
    throw new FormatError(`${where}: expected the criteria under "options" in its manifest, got none.`);
  }
  const criteria = new Map<string, ImportanceCriterion>();
  for (const [name, own] of Object.entries(options)) {
    criteria.set(name, await createCriterion(run, name, isJsonObject(own) ? own : {}));
  }
  return criteria;
}

/** Scores from sums: on the model where a criterion's `finish` looks at its weights. */
async function finish(
  run: Run,
  { model: name, threads }: MergeScoresRequest,
  { sums, manifest, nsamples, numTokens }: MergedShards,
  criteria: ReadonlyMap<string, ImportanceCriterion>,
): Promise<ScoreSet> {
  const finishing = [...criteria].find(([, criterion]) => criterion.finish);
  if (!finishing) return sums;
  if (name === undefined) {
    throw new UsageError(
      `merge-scores: "${finishing[0]}" needs the weights of the model that was scored. Give it with --model.`,
    );
  }
  const model = await openModel(run, name);
  if (manifest["model_sha256"] !== (await model.checkpoint.hash())) {
    throw new UsageError(`model: expected the model that was scored, got ${name}, which has other contents.`);
  }
  const backend = typeof manifest["backend"] === "string" ? manifest["backend"] : undefined;
  await startEngine(run, { ...(backend !== undefined && { backend }), ...(threads && { threads }) });
  const student = await model.family.load(model.checkpoint, model.config);
  try {
    const zeros = ({ numSums = 1 }: ImportanceCriterion): Float64Array[] =>
      student.config.intermediateSizes.map((width) => new Float64Array(width * numSums));
    const all = new Map([...criteria].map(([key, criterion]) => [key, sums.get(key) ?? zeros(criterion)]));
    return await finishScores(student, criteria, all, { nsamples, numTokens });
  } finally {
    student.dispose();
  }
}
