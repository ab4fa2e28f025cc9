import { readFile } from "node:fs/promises";
import { tf } from "@sdmprune/tensor";
import { activateCpuBackend } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import { blockBackwardCase, blockForwardCase } from "./block.js";
import { gemmCase } from "./gemm.js";
import { mlpCase } from "./mlp.js";
import { PROGRAMS } from "./programs.js";
import { importanceCase } from "./importance.js";
import { GEMM_SIZES, MODEL_SHAPES, SHAPES } from "./shapes.js";
import type { Case } from "./take-turns.js";

const TINY = { name: "tiny", tokens: 5, hidden: 8, intermediate: 12, heads: 4, kvHeads: 2, headDim: 2 };

describe("a case", () => {
  beforeAll(activateCpuBackend);

  it.each([
    gemmCase([3, 4, 5]),
    blockForwardCase(TINY),
    blockBackwardCase(TINY),
    mlpCase(TINY),
    importanceCase({ ...TINY, layers: 2, vocab: 16, samples: 2 }),
  ])("leaves no tensor behind: $name", async ({ setUp }) => {
    const before = tf.memory().numTensors;
    const { run, warmUp, dispose } = await setUp();
    await warmUp?.(); // reads the weights
    const prepared = tf.memory().numTensors;
    await run();
    expect(tf.memory().numTensors).toBe(prepared);
    dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("the peers", () => {
  const peer = (name: string): Promise<string> =>
    readFile(new URL(`../peers/${name}.py`, import.meta.url), "utf8");

  it("are there for every program, with cases of the same kinds", async () => {
    for (const [program, all] of Object.entries(PROGRAMS)) {
      const cases = (all as readonly Case[]).filter(({ hasPeer = true }) => hasPeer);
      if (cases.length === 0) continue;
      const source = await peer(program);
      for (const { name } of cases) expect(source).toContain(`f"${name.split("/")[0]}/{`);
    }
  });

  it("have the same shapes", async () => {
    const shapesOf = async (kind: string) =>
      [...(await peer("peer")).matchAll(new RegExp(`\\b${kind}\\(\\s*"(.*?)", (.*?)\\s*\\)`, "g"))].map(
        ([, name, fields]) => ({
          name,
          ...Object.fromEntries(
            fields!.split(", ").map((field) => {
              const [key, value] = field.split("=") as [string, string];
              return [key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()), Number(value)];
            }),
          ),
        }),
      );
    expect(await shapesOf("Shape")).toEqual(SHAPES);
    expect(await shapesOf("ModelShape")).toEqual(MODEL_SHAPES.map(({ isLong: _, ...shape }) => shape));
  });

  it("have the same products", async () => {
    const [, sizes] = /SIZES = \[\((.*)\)\]/.exec(await peer("gemm"))!;
    expect(sizes!.split("), (").map((size) => size.split(", ").map(Number))).toEqual(GEMM_SIZES);
  });
});
