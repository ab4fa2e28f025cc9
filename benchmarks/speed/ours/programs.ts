import { blockBackwardCase, blockForwardCase } from "./block.js";
import { gemmCase } from "./gemm.js";
import { importanceCase } from "./importance.js";
import { mlpCase } from "./mlp.js";
import { SCALING_CASES } from "./scaling.js";
import { GEMM_SIZES, MODEL_SHAPES, SHAPES } from "./shapes.js";
import type { Case } from "./take-turns.js";

/** The cases by the program that runs them; the peer of each is `peers/<name>.py`. */
export const PROGRAMS = {
  gemm: GEMM_SIZES.map(gemmCase),
  block: SHAPES.flatMap((shape) => [blockForwardCase(shape), blockBackwardCase(shape)]),
  mlp: SHAPES.map(mlpCase),
  importance: MODEL_SHAPES.map((shape) => importanceCase(shape)),
  scaling: SCALING_CASES,
} as const satisfies Record<string, readonly Case[]>;

export type ProgramName = keyof typeof PROGRAMS;
