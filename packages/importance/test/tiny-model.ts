import { Rng } from "@sdmprune/core";
import { llamaFamily, type CausalLM, type LoadOptions, type WeightSource } from "@sdmprune/models";
import { tinyLlama, type TinyLlamaOptions } from "@sdmprune/test-utils";
import type { SweepSample } from "../src/index.js";

/** A tiny Llama of two layers of 24 neurons, or of these neurons of it. The caller disposes it. */
export async function tinyModel(
  { spoil, residency, ...options }: TinyLlamaOptions & Spoiling & Pick<LoadOptions, "residency"> = {},
  view?: readonly Int32Array[],
): Promise<CausalLM> {
  const { config, source } = tinyLlama(options);
  const weights = spoil === undefined ? source : spoiled(source, spoil);
  return llamaFamily.load(weights, llamaFamily.parseConfig(config), {
    ...(view && { view }),
    ...(residency && { residency }),
  });
}

interface Spoiling {
  /** Name of a tensor that gets a NaN as its last value. */
  readonly spoil?: string;
}

function spoiled(source: WeightSource, spoil: string): WeightSource {
  return {
    ...source,
    read: async (name, options) => {
      const bytes = await source.read(name, options);
      if (name !== spoil) return bytes;
      const values = new Float32Array(bytes.slice().buffer);
      values[values.length - 1] = NaN;
      return new Uint8Array(values.buffer);
    },
  };
}

/** Seeded samples of 12 tokens for the tiny model's vocabulary. */
export function tinySamples(nsamples: number, seed = 0): SweepSample[] {
  return Array.from({ length: nsamples }, (_, i) => {
    const rng = new Rng(seed, `sample ${i}`);
    return {
      ids: Int32Array.from({ length: 12 }, () => rng.integer(258)),
      document: `doc-${i}`,
      offset: 10 * i,
    };
  });
}
