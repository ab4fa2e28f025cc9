import { modelTeacher, type MicroBatch, type SweepTeacher } from "@sdmprune/importance";
import type { CausalLM } from "@sdmprune/models";
import { tf, type LanguageModelHead } from "@sdmprune/tensor";
import type { ScratchFile } from "./scratch-file.js";

/** Where one sample's hidden states are: in memory, or at a place of the file. */
type Remembered = { readonly shape: [number, number] } & (
  | { readonly values: Float32Array; readonly place?: undefined }
  | { readonly values?: undefined; readonly place: number }
);

/**
 * Final hidden states of the original model, by sample. The first stage of a method runs that model anyhow; a later
 * one that compares with it takes them from here. Float32 as it was, so that nothing changes.
 */
export class HiddenStates {
  readonly #samples = new Map<number, Remembered>();
  #bytes = 0;
  #maxBytes = Infinity;

  /** @param file - Takes what is beyond the limit. */
  constructor(private readonly file: ScratchFile) {}

  /** Sets how many bytes to hold in memory from now on. */
  limit(maxBytes: number): void {
    this.#maxBytes = maxBytes;
  }

  /** Whether all samples from 0 on are known. */
  hasAll(nsamples: number): boolean {
    return Array.from({ length: nsamples }, (_, i) => i).every((i) => this.#samples.has(i));
  }

  /** @param hidden - Shape `[T, H]`; not disposed. */
  async put(index: number, hidden: tf.Tensor2D): Promise<void> {
    const values = (await hidden.data()) as Float32Array; // nobody writes to it any more
    const isHeld = this.#bytes + values.byteLength <= this.#maxBytes;
    if (isHeld) this.#bytes += values.byteLength;
    const shape = hidden.shape;
    this.#samples.set(index, isHeld ? { shape, values } : { shape, place: await this.file.write(values) });
  }

  /** A sample's hidden states, `[T, H]`, if they are known. The caller disposes them. */
  async get(index: number): Promise<tf.Tensor2D | undefined> {
    const sample = this.#samples.get(index);
    if (!sample) return undefined;
    const { shape, place } = sample;
    if (place === undefined) return tf.tensor2d(sample.values, shape, "float32");
    const values = new Float32Array(shape[0] * shape[1]);
    await this.file.read(place, values);
    return tf.tensor2d(values, shape, "float32");
  }
}

/**
 * A teacher that runs its model only for samples that are not remembered.
 *
 * @param head - The teacher's.
 * @param load - Its model, which the caller disposes.
 */
export function rememberedTeacher(
  known: HiddenStates,
  head: LanguageModelHead,
  load: () => Promise<CausalLM>,
): SweepTeacher {
  return {
    head,
    async finalHidden(batch: MicroBatch, signal) {
      const hidden: (tf.Tensor2D | undefined)[] = [];
      try {
        for (let i = 0; i < batch.samples.length; i++) hidden.push(await known.get(batch.start + i));
        const missing = batch.samples.filter((_, i) => !hidden[i]);
        if (missing.length > 0) {
          const rest = { samples: missing, start: batch.start };
          const made = await modelTeacher(await load()).finalHidden(rest, signal);
          hidden.forEach((tensor, i) => (hidden[i] = tensor ?? made.shift()!));
        }
        return hidden as tf.Tensor2D[];
      } catch (error) {
        tf.dispose(hidden.filter((tensor) => tensor !== undefined));
        throw error;
      }
    },
  };
}
