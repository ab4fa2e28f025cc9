import { isSdmPruneError, type Run } from "@sdmprune/core";
import type { JsonValue } from "@sdmprune/model-io";
import { encodeScoreFile, readScoreFile, type LayerScores } from "@sdmprune/importance/score-file";
import { FileByteSource, writeFileAtomic } from "@sdmprune/model-io/node";
import { createCriterion, needsSamples } from "../create-criterion.js";
import { contentKey } from "./cell-store.js";
import type { ScoreCell, Variant } from "./cells.js";
import type { ComparisonContext } from "./comparison-context.js";
import { replayStages, type Replay, type WantedCall } from "./replay-stages.js";
import { sharedSweep } from "./shared-sweep.js";

/** What is kept of scores that were computed: the file stands beside the record. */
export interface ScoreValue {
  readonly importance: string;
  /** How many calls the pass over the samples served. */
  readonly numShared: number;
  readonly nsamples: number;
}

/** Whether all scores of the cell are known, or a method of it must run by itself. */
export async function isScored(context: ComparisonContext, run: Run, cell: ScoreCell): Promise<boolean> {
  return (await waitingCalls(context, run, cell)).length === 0;
}

/**
 * Computes what the methods of a cell still wait for: one pass over the samples for all calls on the same student, and
 * again for what the next stages ask for. If a pass fails, each of its calls is tried alone.
 *
 * @throws {SdmPruneError} The first failure, after all that does not fail is there.
 */
export async function runScoreCell(context: ComparisonContext, run: Run, cell: ScoreCell): Promise<void> {
  const failures = new Map<string, unknown>();
  for (;;) {
    const waiting = (await waitingCalls(context, run, cell)).filter(({ key }) => !failures.has(key));
    const [first] = waiting;
    if (!first) break;
    const group = waiting.filter((each) => keptHash(each) === keptHash(first));
    const attempts = [group, ...(group.length > 1 ? group.map((each) => [each]) : [])];
    for (const calls of attempts) {
      try {
        await scoreTogether(context, run, cell, calls);
        if (calls === group) break;
      } catch (error) {
        if (run.signal.aborted || !isSdmPruneError(error)) throw error;
        if (calls.length === 1) failures.set(calls[0]!.key, error);
      }
    }
  }
  const [failure] = failures.values();
  if (failure !== undefined) throw failure as Error;
}

/** A call whose scores nobody has computed yet, and the key they will have. */
interface WaitingCall extends WantedCall {
  readonly key: string;
}

/** One pass over the samples for calls on one student. */
async function scoreTogether(
  context: ComparisonContext,
  run: Run,
  cell: ScoreCell,
  group: readonly WaitingCall[],
): Promise<void> {
  const needing = await asyncFilter(group, async ({ call }) =>
    needsSamples(await createCriterion(run, call.importance, call.options)),
  );
  const [hungry] = needing;
  const samples = hungry
    ? (await context.samples(run, cell.calibration, `importance "${hungry.call.importance}"`)).samples
    : [];
  const startedAt = performance.now();
  const scores = await sharedSweep(run, {
    ...context.engine,
    model: await context.model(run),
    kept: group[0]!.kept,
    calls: group.map(({ call }) => call),
    samples,
    memory: context.experiment.memory,
    task: `${cell.id}: ${[...new Set(group.map(({ call }) => call.importance))].join(", ")}`,
  });
  const seconds = (performance.now() - startedAt) / 1000 / group.length;
  const { machine, commit } = context;
  for (const [i, wanted] of group.entries()) {
    const { key } = wanted;
    const { importance } = wanted.call;
    const inputs = await scoreInputs(context, run, cell, wanted);
    const bytes = await encodeScoreFile({
      importances: new Map([[importance, scores[i]!]]),
      stages: [],
      manifest: JSON.parse(JSON.stringify(inputs)) as Record<string, JsonValue>,
    });
    await writeFileAtomic(context.store.path("score", key, "safetensors"), bytes);
    const value: ScoreValue = { importance, numShared: group.length, nsamples: samples.length };
    const finishedAt = new Date().toISOString();
    const { id } = cell;
    await context.store.put({ kind: "score", id, key, inputs, value, seconds, finishedAt, machine, commit });
  }
}

/** The stages of a variant as far as their scores are known. */
export async function replayVariant(
  context: ComparisonContext,
  run: Run,
  { variant, ratio, calibration }: { variant: Variant; ratio: number; calibration: ScoreCell["calibration"] },
): Promise<Replay & { readonly keys: readonly string[] }> {
  const { method } = await context.method(run, variant);
  const { shape } = await context.model(run);
  const width = await context.width(run, variant, ratio);
  const allocation = await run.registries.allocations.create(variant.allocation ?? "uniform");
  const keys: string[] = [];
  const replay = await replayStages(
    run,
    method,
    { shape, width, allocation, roundTo: context.roundTo(variant) },
    async (wanted) => {
      const key = contentKey(await scoreInputs(context, run, { calibration }, wanted));
      keys.push(key);
      return readScores(context, key, wanted.call.importance);
    },
  );
  return { ...replay, keys };
}

async function waitingCalls(context: ComparisonContext, run: Run, cell: ScoreCell): Promise<WaitingCall[]> {
  const waiting = new Map<string, WaitingCall>();
  for (const each of cell.wanted) {
    const replay = await replayVariant(context, run, { ...each, calibration: cell.calibration });
    if (replay.state !== "waiting") continue;
    const key = replay.keys.at(-1)!;
    waiting.set(key, { ...replay.wanted, key });
  }
  return [...waiting.values()];
}

/** Everything that scores depend on. */
async function scoreInputs(
  context: ComparisonContext,
  run: Run,
  { calibration }: Pick<ScoreCell, "calibration">,
  wanted: WantedCall,
): Promise<Record<string, unknown>> {
  const { importance, options } = wanted.call;
  const model = await context.model(run);
  const criterion = await createCriterion(run, importance, options);
  const tokens = needsSamples(criterion)
    ? (await context.samples(run, calibration, `importance "${importance}"`)).provenance.tokensSha256
    : undefined;
  return {
    model_sha256: await model.checkpoint.hash(),
    importance,
    options,
    kept: keptHash(wanted),
    calibration_tokens_sha256: tokens,
    version: context.versionOf(run.registries.importances.entry(importance).origin),
  };
}

function keptHash({ kept }: WantedCall): string | undefined {
  return kept && contentKey(kept.map((indices) => [...indices]));
}

async function readScores(
  context: ComparisonContext,
  key: string,
  importance: string,
): Promise<LayerScores | undefined> {
  if (!(await context.store.get("score", key))) return undefined;
  const path = context.store.path("score", key, "safetensors");
  return (await readScoreFile(await FileByteSource.open(path), path)).importances.get(importance);
}

async function asyncFilter<T>(items: readonly T[], test: (item: T) => Promise<boolean>): Promise<T[]> {
  const passed = await Promise.all(items.map(test));
  return items.filter((_, i) => passed[i]);
}
