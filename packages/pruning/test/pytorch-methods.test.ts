import { readFileSync } from "node:fs";
import { join } from "node:path";
import onnxPlugin from "@sdmprune/backend-onnx";
import { Host, silentProgress } from "@sdmprune/core";
import { calibrationSweep, importancePlugin } from "@sdmprune/importance";
import { openCheckpoint, type FolderCheckpoint } from "@sdmprune/model-io/node";
import { llamaFamily, type CausalLM } from "@sdmprune/models";
import { selectBackend } from "@sdmprune/tensor";
import { beforeAll, describe, expect, it } from "vitest";
import { modelShape, pruningPlugin, type KeptNeurons, type ModelShape } from "../src/index.js";

type Layers = readonly (readonly number[])[];

/** Made by tools/reference/tiny_llama_scores.py with PyTorch in float64; the file names versions and seed. */
interface Fixture {
  readonly width: number;
  readonly sequences: Layers;
  readonly kept: Readonly<Record<"taylor" | "selfDistillation" | "magnitude" | "wanda", Layers>>;
  readonly sdmprune: {
    readonly stage1: { readonly kept: Layers };
    readonly stage2: { readonly kept: Layers };
  };
}

const packages = join(import.meta.dirname, "../..");
const { registries } = new Host().use(onnxPlugin).use(importancePlugin).use(pruningPlugin);

describe.each(["tiny-llama", "tiny-llama-tied"])("the neurons of %s that are kept", (name) => {
  const fixture = JSON.parse(
    readFileSync(join(packages, `importance/test/fixtures/${name}-scores.json`), "utf8"),
  ) as Fixture;
  const samples = fixture.sequences.map((ids) => ({ ids: Int32Array.from(ids), document: name, offset: 0 }));
  let checkpoint: FolderCheckpoint;
  let shape: ModelShape;

  beforeAll(async () => {
    await selectBackend(registries);
    checkpoint = await openCheckpoint(join(packages, "test-utils/fixtures", name));
    const config = llamaFamily.parseConfig(checkpoint.config);
    const shapes = new Map(llamaFamily.expectedTensors(config).map((tensor) => [tensor.name, tensor.shape]));
    shape = modelShape(llamaFamily.prunableGroups(config), shapes, (tensor) =>
      llamaFamily.isEmbedding(tensor),
    );
  });

  const load = (view?: KeptNeurons): Promise<CausalLM> =>
    llamaFamily.load(checkpoint, llamaFamily.parseConfig(checkpoint.config), view && { view });

  /** What each stage of a method keeps. */
  async function keptByStages(method: string, options: Record<string, unknown> = {}): Promise<number[][][]> {
    const { stages } = await registries.methods.create(method, options);
    const allocation = await registries.allocations.create("uniform");
    let kept: KeptNeurons = shape.widths.map((size) => Int32Array.from({ length: size }, (_, n) => n));
    const all: number[][][] = [];
    const teacher = await load();
    for (const [i, stage] of stages({ shape, width: fixture.width }).entries()) {
      const student = await load(kept);
      const result = await stage.run({
        number: i + 1,
        kept,
        score: async (importance, given = {}) => {
          const criteria = new Map([[importance, await registries.importances.create(importance, given)]]);
          const request = { student, teacher, samples, criteria, progress: silentProgress };
          return (await calibrationSweep(request)).get(importance)!;
        },
        training: () => {
          throw new Error("no method of these trains");
        },
        allocate: (scores, width) => allocation.allocate({ scores, width, roundTo: 1 }),
      });
      student.dispose();
      kept = result.kept;
      all.push(kept.map((indices) => Array.from(indices)));
    }
    teacher.dispose();
    return all;
  }

  it("by both stages of sdmprune are those of PyTorch", async () => {
    const { stage1, stage2 } = fixture.sdmprune;
    expect(await keptByStages("sdmprune")).toEqual([stage1.kept, stage2.kept]);
  });

  it("by sdmprune in one stage are those of PyTorch", async () => {
    expect(await keptByStages("sdmprune", { stages: 1 })).toEqual([fixture.kept.selfDistillation]);
  });

  it.each(["taylor", "magnitude", "wanda"] as const)("by %s are those of PyTorch", async (method) => {
    expect(await keptByStages(method)).toEqual([fixture.kept[method]]);
  });
});
