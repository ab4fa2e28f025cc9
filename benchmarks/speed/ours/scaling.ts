import { importanceCase } from "./importance.js";
import { MODEL_SHAPES, type ModelShape } from "./shapes.js";
import type { Case } from "./take-turns.js";

const BASE = MODEL_SHAPES.find(({ name }) => name === "smollm2-135m")!;

/** What is varied, one at a time; the rest is that of SmolLM2-135M with one sample of 1024 tokens. */
export const SCALES = {
  tokens: [256, 512, 1024, 2048],
  samples: [1, 4, 16],
  layers: [8, 15, 30],
  width: [288, 576, 1152],
} as const satisfies Record<string, readonly number[]>;

export type Scale = keyof typeof SCALES;

/**
 * The importance pass as one thing grows. A whole sample goes before, so that a short pass does not pay more for the memory
 * that it is the first to touch than a long one.
 */
export const SCALING_CASES: readonly Case[] = (Object.keys(SCALES) as Scale[]).flatMap((scale) =>
  SCALES[scale].map((value) => ({
    ...importanceCase(scaled(scale, value), `scaling-${scale}/${value}`, Infinity),
    repetitions: scale === "samples" && value > 8 ? 1 : 3, // one repetition of those takes minutes
    hasPeer: false,
  })),
);

function scaled(scale: Scale, value: number): ModelShape {
  if (scale !== "width") return { ...BASE, [scale]: value };
  const heads = value / BASE.headDim; // 4.5 of them in the narrowest: of 32 dimensions then
  const headDim = Number.isInteger(heads / 3) ? BASE.headDim : BASE.headDim / 2;
  return {
    ...BASE,
    hidden: value,
    intermediate: Math.round((value * BASE.intermediate) / BASE.hidden),
    heads: value / headDim,
    kvHeads: value / headDim / 3,
    headDim,
  };
}
