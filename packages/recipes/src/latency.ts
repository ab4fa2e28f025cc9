import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Rng, type Run, UsageError } from "@sdmprune/core";
import { forwardHidden, headLogits, KeyValueCache, type CausalLM } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import { describeMachine, type Machine } from "./machine.js";
import { openModel } from "./open-model.js";
import { startEngine, type EngineRequest } from "./start-engine.js";

export interface LatencyShape {
  /** Tokens of the prompt. Default 512. */
  readonly promptTokens?: number;
  /** Tokens generated after it. Default 64. */
  readonly decodeTokens?: number;
  /** Sequences at a time. Default 1. */
  readonly batch?: number;
}

export interface LatencyModelRequest extends LatencyShape, EngineRequest {
  /** A checkpoint folder or a hub id. */
  readonly model: string;
}

/** One timed repetition. */
export interface LatencySample {
  /** Seconds for the prompt in one pass, to the logits after its last token. */
  readonly prefillSeconds: number;
  /** Seconds for all generated tokens, one pass each over a cache of keys and values. */
  readonly decodeSeconds: number;
}

/** A model in memory that is timed whenever it is asked. */
export interface LatencyProgram {
  repeat(): Promise<LatencySample>;
  /** Largest resident memory of its process so far, bytes. */
  peakBytes(): number | Promise<number>;
  /** Bytes of its files of weights. */
  fileBytes(): number | Promise<number>;
  end(): void | Promise<void>;
}

export interface LatencyRequest extends LatencyShape {
  /** The first is the one the others are compared with. */
  readonly models: readonly string[];
  /** Timed repetitions of every model, after one that is not timed. Default 5. */
  readonly repetitions?: number;
}

export interface ModelLatency {
  readonly model: string;
  readonly prefillTokensPerSecond: number;
  readonly decodeTokensPerSecond: number;
  readonly peakBytes: number;
  readonly fileBytes: number;
  /** Of this model to the first one: above 1 is faster for speeds, below 1 smaller for bytes. */
  readonly ratios: {
    readonly prefill: number;
    readonly decode: number;
    readonly peak: number;
    readonly file: number;
  };
  readonly samples: readonly LatencySample[];
}

export interface LatencyReport {
  readonly promptTokens: number;
  readonly decodeTokens: number;
  readonly batch: number;
  readonly repetitions: number;
  readonly machine: Machine;
  readonly models: readonly ModelLatency[];
}

const DEFAULTS = { promptTokens: 512, decodeTokens: 64, batch: 1 };

/**
 * Times models side by side in one run: they take turns, repetition by repetition, so that whatever else the machine
 * does meets them all; figures are medians.
 *
 * @param start - Starts one model, each in a process of its own if the peaks of memory are to say something.
 * @throws {UsageError} If no model is given.
 */
export async function measureLatency(
  run: Run,
  { models, repetitions = 5, ...shape }: LatencyRequest,
  start: (request: LatencyModelRequest) => Promise<LatencyProgram>,
): Promise<LatencyReport> {
  if (models.length === 0) throw new UsageError("latency: expected at least one model, got none.");
  const size = { ...DEFAULTS, ...shape };
  const task = "latency";
  const total = models.length * (repetitions + 1);
  run.progress({ type: "start", task, total, unit: "repetitions" });
  const programs: LatencyProgram[] = [];
  const samples = models.map((): LatencySample[] => []);
  try {
    for (const model of models) programs.push(await start({ ...size, model }));
    for (let i = 0; i <= repetitions; i++) {
      for (const [m, program] of programs.entries()) {
        run.signal?.throwIfAborted();
        const sample = await program.repeat();
        if (i > 0) samples[m]!.push(sample); // the first warms up
        run.progress({ type: "advance", task, done: i * models.length + m + 1, total, unit: "repetitions" });
      }
    }
    const measured = await Promise.all(
      programs.map(async (program, m) => ({
        model: models[m]!,
        prefillTokensPerSecond:
          (size.batch * size.promptTokens) / median(samples[m]!.map((s) => s.prefillSeconds)),
        decodeTokensPerSecond:
          (size.batch * size.decodeTokens) / median(samples[m]!.map((s) => s.decodeSeconds)),
        peakBytes: await program.peakBytes(),
        fileBytes: await program.fileBytes(),
        samples: samples[m]!,
      })),
    );
    const [first] = measured;
    return {
      ...size,
      repetitions,
      machine: describeMachine(),
      models: measured.map((one) => ({
        ...one,
        ratios: {
          prefill: one.prefillTokensPerSecond / first!.prefillTokensPerSecond,
          decode: one.decodeTokensPerSecond / first!.decodeTokensPerSecond,
          peak: one.peakBytes / first!.peakBytes,
          file: one.fileBytes / first!.fileBytes,
        },
      })),
    };
  } finally {
    for (const program of programs) await program.end();
    run.progress({ type: "end", task });
  }
}

/**
 * Loads a model into this process, to be timed. The prompt is random, from the run's seed.
 *
 * @throws {UsageError} If prompt and generated tokens are more than the model's positions.
 */
export async function openLatencyProgram(run: Run, request: LatencyModelRequest): Promise<LatencyProgram> {
  const { promptTokens, decodeTokens, batch } = { ...DEFAULTS, ...request };
  const { checkpoint, family, config } = await openModel(run, request.model);
  if (promptTokens + decodeTokens > config.maxPositionEmbeddings) {
    throw new UsageError(
      `${request.model}: expected at most ${config.maxPositionEmbeddings} tokens, the model's positions, got ${promptTokens} + ${decodeTokens}. Ask for fewer.`,
    );
  }
  await startEngine(run, request);
  const lm = await family.load(checkpoint, config);
  const rng = new Rng(run.seed, "latency");
  const prompt = Int32Array.from({ length: batch * promptTokens }, () => rng.integer(config.vocabSize));
  return {
    repeat: () => timeOnce(lm, prompt, batch, decodeTokens, run.signal),
    peakBytes: () => process.resourceUsage().maxRSS * 1024,
    fileBytes: async () => {
      const sizes = await Promise.all(checkpoint.weightFiles.map((file) => stat(join(checkpoint.dir, file))));
      return sizes.reduce((sum, { size }) => sum + size, 0);
    },
    end: () => lm.dispose(),
  };
}

async function timeOnce(
  lm: CausalLM,
  prompt: Int32Array,
  batch: number,
  decodeTokens: number,
  signal: AbortSignal | undefined,
): Promise<LatencySample> {
  const cache = new KeyValueCache(lm.config.numLayers);
  try {
    const start = performance.now();
    let next = await nextTokens(lm, prompt, batch, cache, signal);
    const prefilled = performance.now();
    for (let i = 0; i < decodeTokens; i++) next = await nextTokens(lm, next, batch, cache, signal);
    const end = performance.now();
    return { prefillSeconds: (prefilled - start) / 1000, decodeSeconds: (end - prefilled) / 1000 };
  } finally {
    cache.dispose();
  }
}

/** The likeliest token after each sequence, whose new tokens `ids` extend the cache. */
async function nextTokens(
  lm: CausalLM,
  ids: Int32Array,
  batch: number,
  cache: KeyValueCache,
  signal: AbortSignal | undefined,
): Promise<Int32Array> {
  const hidden = await forwardHidden(lm, ids, batch, { cache, ...(signal && { signal }) });
  const length = ids.length / batch;
  const [, width] = hidden.shape;
  const last = tf.tidy(() => {
    const sequences = tf.reshape(hidden, [batch, length, width]); // [B * T, H] -> [B, T, H]
    return tf.reshape<tf.Rank.R2>(tf.slice(sequences, [0, length - 1, 0], [batch, 1, width]), [batch, width]);
  });
  hidden.dispose();
  try {
    const logits = await headLogits(lm.head, last);
    try {
      return argMaxOfRows(await logits.data(), batch);
    } finally {
      logits.dispose();
    }
  } finally {
    last.dispose();
  }
}

function argMaxOfRows(values: ArrayLike<number>, rows: number): Int32Array {
  const width = values.length / rows;
  return Int32Array.from({ length: rows }, (_, row) => {
    let best = 0;
    for (let i = 1; i < width; i++) if (values[row * width + i]! > values[row * width + best]!) best = i;
    return best;
  });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
