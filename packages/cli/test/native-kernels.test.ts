import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clearKernelLog, kernelLog } from "@sdmprune/backend-onnx/tfjs";
import { prune } from "@sdmprune/recipes";
import { expect, it } from "vitest";
import { createHost } from "../src/create-host.js";
import { demoFile } from "../src/demo.js";

/** Up to this many elements JavaScript is quicker than starting a graph. */
const SMALL_TENSOR = 1000;

it.each(["sdmprune", "wanda", "magnitude"])(
  "runs no fallback kernel on a large tensor when it prunes by %s",
  async (method) => {
    const folder = await mkdtemp(join(tmpdir(), "sdmprune-kernels-"));
    const run = (await createHost()).createRun();
    clearKernelLog();
    try {
      await prune(run, {
        model: demoFile(""),
        output: join(folder, "pruned"),
        method,
        pruningRatio: 0.3,
        roundTo: 16,
        calibration: { source: demoFile("calibration.txt"), nsamples: 2, seqlen: 256 },
        backend: "onnx",
      });
      const records = kernelLog();
      expect(records.some(({ path, calls }) => path === "native" && calls > 0)).toBe(true);
      const large = records.filter(
        ({ path, largestTensor }) => path === "fallback" && largestTensor > SMALL_TENSOR,
      );
      expect(large).toEqual([]);
    } finally {
      await run.dispose();
      await rm(folder, { recursive: true });
    }
  },
);
