import type { Run } from "@sdmprune/core";
import type { LayerScores, StageScores } from "@sdmprune/importance/score-file";
import type { Allocation, KeptNeurons, ModelShape, PruningMethod, StageContext } from "@sdmprune/pruning";
import { criterionOptions } from "../create-criterion.js";
import type { ScoreCall } from "../score-source.js";

/** Scores that a stage asks for: of which neurons, by what. */
export interface WantedCall {
  readonly call: ScoreCall;
  /** Neurons of the student; undefined for the whole model. */
  readonly kept: KeptNeurons | undefined;
}

/** What a replay comes to. */
export type Replay =
  | { readonly state: "whole"; readonly stages: readonly StageScores[]; readonly calls: readonly ScoreCall[] }
  /** A stage needs scores that nobody has computed yet. */
  | { readonly state: "waiting"; readonly wanted: WantedCall }
  /** A stage does more than score and select, so its method must run by itself. */
  | { readonly state: "own-run" };

/**
 * Runs the stages of a method on scores that are known already. Several methods, ratios and settings that ask for the
 * same scores get them from one pass over the samples that way: replay them all, compute what they wait for, replay again.
 *
 * @param lookup - Known scores of a call, if they are known.
 */
export async function replayStages(
  run: Run,
  method: PruningMethod,
  {
    shape,
    width,
    allocation,
    roundTo,
  }: { shape: ModelShape; width: number; allocation: Allocation; roundTo: number },
  lookup: (wanted: WantedCall) => Promise<LayerScores | undefined>,
): Promise<Replay> {
  const stop = new Error("The replay has ended.");
  let end: Replay | undefined;
  const leave = (replay: Replay): never => {
    end ??= replay;
    throw stop;
  };
  const done: StageScores[] = [];
  const calls: ScoreCall[] = [];
  let kept: KeptNeurons = shape.widths.map((each) => Int32Array.from({ length: each }, (_, n) => n));
  try {
    for (const [i, stage] of method.stages({ shape, width, roundTo }).entries()) {
      const student = i === 0 ? undefined : kept;
      const context: StageContext = {
        number: i + 1,
        kept,
        score: async (name, options = {}, how = {}) => {
          if (Object.values(how).some((value) => value !== undefined)) return leave({ state: "own-run" });
          const importance = run.registries.importances.entry(name).name;
          const call = { importance, options: criterionOptions(run, importance, options) };
          const wanted = { call, kept: student };
          const scores = await lookup(wanted);
          if (!scores) return leave({ state: "waiting", wanted });
          if (done[i]) return leave({ state: "own-run" }); // a stage that scores twice has no place in a score file
          done[i] = { importance, scores, ...(student && { kept: student }) };
          calls[i] = call;
          return scores;
        },
        training: () => leave({ state: "own-run" }),
        allocate: (scores, target) => allocation.allocate({ scores, width: target, roundTo }),
      };
      const watched = new Proxy(context, {
        get: (target, key) =>
          key in target ? (Reflect.get(target, key) as unknown) : leave({ state: "own-run" }),
      });
      ({ kept } = await stage.run(watched));
      if (!done[i]) return { state: "own-run" };
    }
  } catch (error) {
    if (error === stop || end) return end!;
    throw error;
  }
  return { state: "whole", stages: done, calls };
}
