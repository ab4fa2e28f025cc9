/** Keys of the services that a run's container provides. `Symbol.for`, so that copies of this package agree. */
export const TOKENS = {
  /** {@link ProgressListener} of the run. */
  progress: Symbol.for("@sdmprune/core/progress"),
  /** `AbortSignal` of the run: aborted when the user interrupts it. */
  signal: Symbol.for("@sdmprune/core/signal"),
  /** The run's seed, a number. */
  seed: Symbol.for("@sdmprune/core/seed"),
  /** The activated tensor backend (`TensorBackend` of @sdmprune/tensor). */
  backend: Symbol.for("@sdmprune/core/backend"),
  /** Starts a worker thread with the same plugins (`StartWorker` of @sdmprune/recipes). Not registered: there are none. */
  startWorker: Symbol.for("@sdmprune/core/startWorker"),
} as const;
