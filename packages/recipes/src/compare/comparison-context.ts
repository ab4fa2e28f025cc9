import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  NotFoundError,
  silentProgress,
  VERSION,
  type Host,
  type ProgressListener,
  type Run,
} from "@sdmprune/core";
import type { CalibrationSet } from "@sdmprune/data";
import type { PruningMethod } from "@sdmprune/pruning";
import { targetWidth } from "@sdmprune/pruning";
import { drawCalibration } from "../calibration.js";
import type { Options } from "../create-criterion.js";
import { defined } from "../defined.js";
import { createMethod } from "../make-plan.js";
import { openModel, type OpenedModel } from "../open-model.js";
import { CellStore } from "./cell-store.js";
import type { Variant } from "./cells.js";
import type { Experiment } from "./experiment.js";
import { describeMachine, type Machine } from "../machine.js";

export interface ComparisonOptions {
  readonly experiment: Experiment;
  /** Folder of cells, models, tables and report. */
  readonly output: string;
  readonly progress?: ProgressListener;
  readonly signal?: AbortSignal;
  /** Threads of the backend, if several workers share the machine. */
  readonly threads?: number;
  /** What tells one state of a plugin's code from another, by the plugin's name. */
  readonly pluginVersions?: Readonly<Record<string, string>>;
  /** The code that runs, where that is known. */
  readonly commit?: string;
}

const DEFAULT_ROUND_TO = 64;

/** What all cells of a comparison have in common. Opens things once, when they are first needed. */
export class ComparisonContext {
  readonly experiment: Experiment;
  readonly output: string;
  readonly store: CellStore;
  readonly machine: Machine = describeMachine();
  readonly commit: string | undefined;
  readonly #methods = new Map<string, Promise<ResolvedMethod>>();
  readonly #samples = new Map<string, Promise<CalibrationSet>>();
  readonly #hashes = new Map<string, Promise<string>>();
  readonly #plans = new Map<number, Run>();
  #run: Run | undefined;
  #model: Promise<OpenedModel> | undefined;

  constructor(
    readonly host: Host,
    private readonly options: ComparisonOptions,
  ) {
    this.experiment = options.experiment;
    this.output = options.output;
    this.commit = options.commit;
    this.store = new CellStore(join(options.output, "cells"));
  }

  get signal(): AbortSignal | undefined {
    return this.options.signal;
  }

  get progress(): ProgressListener {
    return this.options.progress ?? silentProgress;
  }

  /** The tensor engine that the cells ask for. */
  get engine(): { readonly backend?: string; readonly threads?: number } {
    const { backend } = this.experiment;
    const threads = this.options.threads ?? this.experiment.threads;
    return { ...(backend !== undefined && { backend }), ...(threads !== undefined && { threads }) };
  }

  /** A run of a seed to look results up with, which starts no engine. */
  planFor(seed: number): Run {
    const run = this.#plans.get(seed) ?? this.#createRun(seed);
    this.#plans.set(seed, run);
    return run;
  }

  /** The run of a seed to compute with. There is one at a time, since a run owns the tensor engine. */
  async runFor(seed: number): Promise<Run> {
    if (this.#run?.seed === seed) return this.#run;
    await this.#run?.dispose();
    return (this.#run = this.#createRun(seed));
  }

  #createRun(seed: number): Run {
    const { signal } = this.options;
    // What the recipes tell about each model is in the tables; only warnings and progress are passed on.
    const progress: ProgressListener = (event) => {
      if (event.type !== "info") this.progress(event);
    };
    return this.host.createRun({ seed, progress, ...(signal && { signal }) });
  }

  async dispose(): Promise<void> {
    for (const run of [this.#run, ...this.#plans.values()]) await run?.dispose();
    this.#run = undefined;
    this.#plans.clear();
  }

  model(run: Run): Promise<OpenedModel> {
    return (this.#model ??= openModel(run, this.experiment.model));
  }

  /** A variant's method, made once for each seed. */
  method(run: Run, variant: Variant): Promise<ResolvedMethod> {
    const key = `${run.seed}/${variant.label}`;
    let found = this.#methods.get(key);
    if (!found) this.#methods.set(key, (found = this.#resolve(run, variant)));
    return found;
  }

  async #resolve(run: Run, { method: name, options: asked }: Variant): Promise<ResolvedMethod> {
    const { method, options } = await createMethod(run, name, asked);
    const { methods, importances } = run.registries;
    const { origin } = methods.has(name) ? methods.entry(name) : importances.entry(name);
    return { method, options, version: this.versionOf(origin) };
  }

  /** What tells one state of a registered extension's code from another. */
  versionOf(origin: string): string {
    const plugin = /^plugin "(.*)"$/.exec(origin)?.[1] ?? origin;
    return `${plugin}@${this.options.pluginVersions?.[plugin] ?? VERSION}`;
  }

  /** Width that a variant's ratio comes to. */
  async width(run: Run, { roundTo = DEFAULT_ROUND_TO }: Variant, pruningRatio: number): Promise<number> {
    const { shape } = await this.model(run);
    return targetWidth(shape, { pruningRatio, ratioOf: this.experiment.ratioOf ?? "total", roundTo });
  }

  roundTo({ roundTo = DEFAULT_ROUND_TO }: Variant): number {
    return roundTo;
  }

  /** The samples of a seed, drawn once. */
  async samples(run: Run, calibration: Experiment["calibration"], neededBy: string): Promise<CalibrationSet> {
    const model = await this.model(run);
    const key = JSON.stringify([run.seed, calibration]);
    let found = this.#samples.get(key);
    if (!found) {
      const request = calibration && defined(calibration);
      this.#samples.set(key, (found = drawCalibration(run, model, request, neededBy)));
    }
    return found;
  }

  /** SHA-256 of a file. */
  fileHash(path: string): Promise<string> {
    let found = this.#hashes.get(path);
    if (!found) this.#hashes.set(path, (found = hashFile(path)));
    return found;
  }
}

export interface ResolvedMethod {
  readonly method: PruningMethod;
  /** In full, with defaults. */
  readonly options: Options;
  /** The code that it comes from. */
  readonly version: string;
}

async function hashFile(path: string): Promise<string> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new NotFoundError(`${path}: expected a text file, got none. Check the path in the experiment.`, {
      cause,
    });
  });
  return createHash("sha256").update(bytes).digest("hex");
}

/** Where a model that was made is put, by what it depends on. */
export function modelFolder({ output }: ComparisonContext, key: string): string {
  return join(output, "models", key);
}
