import { Rng } from "@sdmprune/core";
import { IGNORED_LABEL, type TrainingSequence } from "@sdmprune/data";
import { sameEveryEpoch, type EpochSequences } from "./training-plan.js";

/**
 * Windows of token ids to train on by next-token prediction, every token but the first a target; in another random order every
 * epoch.
 */
export function windowsInRandomOrder(windows: readonly Int32Array[], seed: number): EpochSequences {
  const sequences = windows.map((ids): TrainingSequence => {
    const labels = ids.slice();
    labels[0] = IGNORED_LABEL;
    return { ids, labels, segmentLengths: [ids.length] };
  });
  return (epoch) => sameEveryEpoch(new Rng(seed, `windows/epoch-${epoch}`).shuffle(sequences))(epoch);
}
