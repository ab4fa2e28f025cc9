import { existsSync } from "node:fs";
import { readScoreFile, type LayerScores } from "@sdmprune/importance/score-file";
import { FileByteSource } from "@sdmprune/model-io/node";
import type { JudgedSubject } from "./collect-results.js";
import type { ComparisonContext } from "./comparison-context.js";

/** How a method's last scores are spread within each layer. */
export interface ScoreProfile {
  readonly label: string;
  readonly importance: string;
  /** Part of the neurons that stays at each ratio. */
  readonly keptShares: readonly number[];
  /**
   * For each layer, its neurons from the highest score to the lowest in {@link NUM_BINS} equal groups: how many standard
   * deviations the group's mean is above the layer's. Scores may have any sign and unit.
   */
  readonly layers: readonly (readonly number[])[];
}

export const NUM_BINS = 40;

/** The profiles of all methods that score, at their first seed. */
export async function scoreProfiles(
  context: ComparisonContext,
  judged: readonly JudgedSubject[],
): Promise<ScoreProfile[]> {
  const profiles: ScoreProfile[] = [];
  const labels = new Set(judged.map(({ subject }) => subject.label));
  for (const label of labels) {
    const own = judged.filter(({ subject, prune }) => subject.label === label && prune && !subject.recovery);
    const first = own[0]?.prune;
    if (!first) continue;
    const found = await lastScores(context, first.key, first.value.scores);
    if (!found) continue;
    const seed = own[0]!.subject.seed;
    const keptShares = own
      .filter(({ subject }) => subject.seed === seed)
      .map(({ prune }) => sum(prune!.value.widths) / sum(prune!.value.intermediateSizes));
    profiles.push({ label, importance: found.importance, keptShares, layers: found.scores.map(profileOf) });
  }
  return profiles;
}

async function lastScores(
  context: ComparisonContext,
  pruneKey: string,
  scoreKeys: readonly string[],
): Promise<{ importance: string; scores: LayerScores } | undefined> {
  const last = scoreKeys.at(-1);
  const path =
    last === undefined
      ? context.store.path("prune", pruneKey, "safetensors")
      : context.store.path("score", last, "safetensors");
  if (!existsSync(path)) return undefined;
  const { importances, stages } = await readScoreFile(await FileByteSource.open(path), path);
  const stage = stages.at(-1);
  if (stage) return stage;
  const [first] = importances;
  return first && { importance: first[0], scores: first[1] };
}

function profileOf(scores: Float64Array): number[] {
  const sorted = Float64Array.from(scores).sort().reverse();
  const mean = sum(sorted) / sorted.length;
  const deviation = Math.sqrt(sum(sorted.map((score) => (score - mean) ** 2)) / sorted.length);
  return Array.from({ length: NUM_BINS }, (_, bin) => {
    const start = Math.floor((bin * sorted.length) / NUM_BINS);
    const end = Math.max(start + 1, Math.floor(((bin + 1) * sorted.length) / NUM_BINS));
    const group = sorted.subarray(start, end);
    return deviation === 0 ? 0 : (sum(group) / group.length - mean) / deviation;
  });
}

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}
