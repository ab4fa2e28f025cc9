import { isSdmPruneError } from "@sdmprune/core";
import { calibrationSweep, type SweepRequest, type SweepState } from "@sdmprune/importance";
import type { LayerScores } from "@sdmprune/importance/score-file";
import type { ScoreCall } from "./score-source.js";
import type { WorkFolder } from "./work-folder.js";

/** A stage's place in the work folder. */
export interface SweepPlace {
  readonly work: WorkFolder;
  readonly number: number;
  readonly call: ScoreCall;
}

/** The calibration sweep of a stage with one criterion, saved now and then, and at once when it is interrupted. */
export async function resumableSweep(
  request: Omit<SweepRequest, "onSample">,
  { work, number, call }: SweepPlace,
): Promise<LayerScores> {
  let latest: SweepState | undefined;
  try {
    const scores = await calibrationSweep({
      ...request,
      onSample: async (state) => {
        latest = state;
        await work.saveSweep(number, call, state);
      },
    });
    return scores.get(call.importance)!;
  } catch (error) {
    // An interruption is noticed before a sample's increments are added, so the sums are those of whole samples.
    const isInterrupted = isSdmPruneError(error) && request.signal?.aborted === true;
    if (isInterrupted && latest) await work.saveSweep(number, call, latest, { now: true });
    throw error;
  }
}
