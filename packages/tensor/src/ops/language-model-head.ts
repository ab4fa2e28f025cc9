import * as tf from "@tensorflow/tfjs-core";
import { checkShape } from "../check-shape.js";
import { addChunk, emptyStatistics, type SoftmaxStatistics } from "./log-sum-exp-chunk.js";

/** The last linear layer of a model, in pieces of its vocabulary. */
export interface LanguageModelHead {
  /** `V` */
  readonly vocabSize: number;
  /** Rows to ask for at a time. */
  readonly chunkSize: number;
  /** Rows `start` to `end` of the weight; `[end - start, H]`, float32. The caller disposes it. */
  chunk(start: number, end: number): tf.Tensor2D | Promise<tf.Tensor2D>;
}

/** One model's logits by chunks: softmax statistics from a first pass, and the logits once more for a second. */
export class ChunkedLogits {
  statistics: SoftmaxStatistics;
  readonly #kept = new Map<number, tf.Tensor2D>();

  /**
   * @param hidden - `[N, H]`; not disposed.
   * @param inverseTemperature - Factor of the logits in the statistics.
   * @param keep - Whether the second pass finds the logits of the first, or computes them anew.
   */
  constructor(
    readonly hidden: tf.Tensor2D,
    readonly head: LanguageModelHead,
    readonly inverseTemperature: number,
    readonly keep: boolean,
    withEntropy = false,
  ) {
    this.statistics = emptyStatistics(hidden.shape[0], withEntropy);
  }

  /** Takes a chunk into the statistics; `read` may look at its logits meanwhile. */
  async firstPass(start: number, end: number, read?: (z: tf.Tensor2D) => Promise<void>): Promise<void> {
    const z = await this.#compute(start, end);
    this.#kept.set(start, z);
    this.statistics = addChunk(this.statistics, z, this.inverseTemperature);
    await read?.(z);
    if (!this.keep) tf.dispose(this.#taken(start)!);
  }

  /** The chunk's logits; the caller disposes them. */
  async take(start: number, end: number): Promise<tf.Tensor2D> {
    return this.#taken(start) ?? (await this.#compute(start, end));
  }

  async rowValues(): Promise<{ max: Float64Array; sum: Float64Array; weighted?: Float64Array }> {
    const { max, sum, weighted } = this.statistics;
    const read = async (t: tf.Tensor): Promise<Float64Array> => Float64Array.from(await t.data());
    const values = { max: await read(max), sum: await read(sum) };
    return weighted ? { ...values, weighted: await read(weighted) } : values;
  }

  dispose(): void {
    tf.dispose([...this.#kept.values(), ...(Object.values(this.statistics) as tf.Tensor[])]);
    this.#kept.clear();
  }

  #taken(start: number): tf.Tensor2D | undefined {
    const z = this.#kept.get(start);
    this.#kept.delete(start);
    return z;
  }

  async #compute(start: number, end: number): Promise<tf.Tensor2D> {
    return withChunk(
      this.head,
      start,
      end,
      this.hidden.shape[1],
      (rows) => tf.matMul(this.hidden, rows, false, true), // [N, H] [C, H]^T -> [N, C]
    );
  }
}

/** Runs `body` on rows `start` to `end` of the head's weight, whose shape is checked, and disposes them. */
export async function withChunk<R>(
  head: LanguageModelHead,
  start: number,
  end: number,
  hiddenSize: number,
  body: (rows: tf.Tensor2D) => R,
): Promise<R> {
  const rows = await head.chunk(start, end);
  try {
    checkShape("languageModelLoss", `head.chunk(${start}, ${end})`, rows, [end - start, hiddenSize], {});
    return body(rows);
  } finally {
    tf.dispose(rows);
  }
}

/** The vocabulary in pieces of `chunkSize`, the last one shorter. */
export function vocabularyChunks({
  vocabSize,
  chunkSize,
}: LanguageModelHead): { start: number; end: number }[] {
  const chunks = [];
  for (let start = 0; start < vocabSize; start += chunkSize) {
    chunks.push({ start, end: Math.min(start + chunkSize, vocabSize) });
  }
  return chunks;
}
