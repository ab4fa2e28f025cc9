import type { Worker } from "node:worker_threads";
import { InterruptedError, NonFiniteError, SdmPruneError, TOKENS, type Run } from "@sdmprune/core";
import type { SampleIncrements, SweepSample } from "@sdmprune/importance";
import type { WeightResidency } from "@sdmprune/models";
import type { Options } from "./create-criterion.js";

/** Starts a thread that calls `serveSamples` on a host with the same plugins. The program provides it, as `TOKENS.startWorker`. */
export type StartWorker = () => Worker;

/** What a worker is told first. */
export interface WorkerSetup {
  readonly model: string;
  readonly teacher: string | undefined;
  readonly seed: number;
  readonly backend: string;
  readonly threads: number;
  readonly poolBytes: number;
  readonly scratchFolder: string;
}

/** One sweep of a worker: the samples `first`, `first + step`, … in this order. */
export interface WorkerSweep {
  readonly criteria: readonly (readonly [importance: string, options: Options])[];
  /** Neurons that the student has; undefined: it is whole. */
  readonly kept: readonly Int32Array[] | undefined;
  /** Whether the student is compared with the original model. */
  readonly needsOriginal: boolean;
  /** Whether a later sweep will be. */
  readonly remembers: boolean;
  readonly samples: readonly SweepSample[];
  readonly first: number;
  readonly step: number;
  readonly residency: WeightResidency;
  readonly recompute: boolean;
  readonly keepLogitsBytes: number;
  readonly maxHiddenBytes: number;
}

/** What a worker answers for each sample. */
export type WorkerAnswer =
  | { readonly index: number; readonly increments: SampleIncrements }
  | { readonly index: number; readonly error: { readonly name: string; readonly message: string } };

/**
 * Threads that compute samples, each by itself on an engine of its own. They live as long as a run, and remember from
 * one sweep to the next what the original model put out for their samples.
 *
 * Which worker computes a sample, and when it is done, changes nothing: the sweep asks for increments in the order of the
 * samples.
 */
export class SampleWorkers {
  readonly #threads: Worker[];

  constructor(
    private readonly run: Run,
    readonly count: number,
    setup: WorkerSetup,
  ) {
    const start = run.services.resolve<StartWorker>(TOKENS.startWorker);
    this.#threads = Array.from({ length: count }, start);
    for (const thread of this.#threads) thread.postMessage(setup);
  }

  /**
   * Begins a sweep over the samples from `from` on.
   *
   * @returns Gives the increments of a sample; to be asked in order.
   */
  sweep(
    sweep: Omit<WorkerSweep, "first" | "step">,
    from: number,
  ): (index: number) => Promise<SampleIncrements> {
    const answers = new Map<number, WorkerAnswer>();
    let failure: Error | undefined;
    let wake = (): void => undefined;
    const fail = (error: Error): void => {
      failure ??= error;
      wake();
    };
    for (const [i, thread] of this.#threads.entries()) {
      thread.removeAllListeners();
      thread.on("message", (answer: WorkerAnswer) => {
        answers.set(answer.index, answer);
        wake();
      });
      thread.on("error", fail);
      thread.on("exit", (code) => fail(new SdmPruneError(`A worker ended with exit code ${code}.`)));
      // Sample n is always with the same worker, which may remember something of it.
      const first = from + ((i - (from % this.count) + this.count) % this.count);
      thread.postMessage({ ...sweep, first, step: this.count });
    }
    this.run.signal.addEventListener(
      "abort",
      () => fail(new InterruptedError("Interrupted while scoring.")),
      {
        once: true,
      },
    );
    return async (index) => {
      while (!answers.has(index)) {
        if (failure) throw failure;
        await new Promise<void>((resolve) => (wake = resolve));
      }
      const answer = answers.get(index)!;
      answers.delete(index);
      if ("increments" in answer) return answer.increments;
      const { name, message } = answer.error;
      throw name === NonFiniteError.name ? new NonFiniteError(message) : new SdmPruneError(message);
    };
  }

  /** Ends the threads, whatever they do. */
  async dispose(): Promise<void> {
    for (const thread of this.#threads) thread.removeAllListeners();
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }
}
