import { readFile } from "node:fs/promises";
import { tf } from "@sdmprune/tensor";
import { activateCpuBackend } from "@sdmprune/test-utils";
import { beforeAll, describe, expect, it } from "vitest";
import { blockBackwardCase, blockForwardCase } from "./block.js";
import { gemmCase } from "./gemm.js";
import { mlpCase } from "./mlp.js";
import { PROGRAMS } from "./programs.js";
import { GEMM_SIZES, SHAPES } from "./shapes.js";

const TINY = { name: "tiny", tokens: 5, hidden: 8, intermediate: 12, heads: 4, kvHeads: 2, headDim: 2 };

describe("a case", () => {
  beforeAll(activateCpuBackend);

  it.each([gemmCase([3, 4, 5]), blockForwardCase(TINY), blockBackwardCase(TINY), mlpCase(TINY)])(
    "leaves no tensor behind: $name",
    async ({ setUp }) => {
      const before = tf.memory().numTensors;
      const { run, dispose } = await setUp();
      const prepared = tf.memory().numTensors;
      await run();
      expect(tf.memory().numTensors).toBe(prepared);
      dispose();
      expect(tf.memory().numTensors).toBe(before);
    },
  );
});

describe("the peers", () => {
  const peer = (name: string): Promise<string> =>
    readFile(new URL(`../peers/${name}.py`, import.meta.url), "utf8");

  it("are there for every program, with cases of the same kinds", async () => {
    for (const [program, cases] of Object.entries(PROGRAMS)) {
      const source = await peer(program);
      for (const { name } of cases) expect(source).toContain(`f"${name.split("/")[0]}/{`);
    }
  });

  it("have the same shapes", async () => {
    const shapes = [...(await peer("peer")).matchAll(/Shape\("(.*?)", (.*?)\)/g)].map(([, name, fields]) => ({
      name,
      ...Object.fromEntries(
        fields!.split(", ").map((field) => {
          const [key, value] = field.split("=") as [string, string];
          return [key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()), Number(value)];
        }),
      ),
    }));
    expect(shapes).toEqual(SHAPES);
  });

  it("have the same products", async () => {
    const [, sizes] = /SIZES = \[\((.*)\)\]/.exec(await peer("gemm"))!;
    expect(sizes!.split("), (").map((size) => size.split(", ").map(Number))).toEqual(GEMM_SIZES);
  });
});
