import { llamaFamily, type CausalLM } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import { activateCpuBackend, tinyLlama } from "@sdmprune/test-utils";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { temporaryFolder } from "../test/tiny-run.js";
import { modelTeacher } from "@sdmprune/importance";
import { HiddenStates, rememberedTeacher } from "./remembered-teacher.js";
import { ScratchFile } from "./scratch-file.js";

describe("rememberedTeacher", () => {
  const samples = [
    [5, 6, 7],
    [8, 9],
    [10, 11, 12, 13],
  ].map((ids, i) => ({
    ids: Int32Array.from(ids),
    document: `doc-${i}`,
    offset: 0,
  }));
  let model: CausalLM;
  let loads = 0;
  const load = (): Promise<CausalLM> => {
    loads++;
    return Promise.resolve(model);
  };

  beforeAll(activateCpuBackend);
  beforeEach(async () => {
    loads = 0;
    const { config, source } = tinyLlama();
    model = await llamaFamily.load(source, llamaFamily.parseConfig(config));
  });
  afterEach(() => model.dispose());

  async function values(tensors: readonly tf.Tensor2D[]): Promise<unknown[]> {
    const all = await Promise.all(
      tensors.map(async (t) => ({ shape: t.shape, values: [...(await t.data())] })),
    );
    tf.dispose([...tensors]);
    return all;
  }

  it.each([
    ["in memory", Infinity],
    ["in a file", 0],
    ["in both", 3 * 16 * 4],
  ])("gives the bits that it was shown, kept %s, and runs no model", async (_where, limit) => {
    const file = new ScratchFile(temporaryFolder());
    const known = new HiddenStates(file);
    known.limit(limit);
    const made = await modelTeacher(model).finalHidden({ samples, start: 0 });
    for (const [i, tensor] of made.entries()) await known.put(i, tensor);
    const expected = await values(made);
    expect([known.hasAll(3), known.hasAll(4)]).toEqual([true, false]);
    const before = tf.memory().numTensors;
    const teacher = rememberedTeacher(known, model.head, load);
    expect(await values(await teacher.finalHidden({ samples, start: 0 }))).toEqual(expected);
    // A second time, and part of them.
    expect(await values(await teacher.finalHidden({ samples: samples.slice(1), start: 1 }))).toEqual(
      expected.slice(1),
    );
    expect(loads).toBe(0);
    expect(tf.memory().numTensors).toBe(before);
    await file.close();
  });

  it("runs the model for the samples that are not remembered, in their order", async () => {
    const known = new HiddenStates(new ScratchFile(temporaryFolder()));
    const made = await modelTeacher(model).finalHidden({ samples, start: 0 });
    await known.put(1, made[1]!);
    const expected = await values(made);
    const teacher = rememberedTeacher(known, model.head, load);
    expect(await values(await teacher.finalHidden({ samples, start: 0 }))).toEqual(expected);
    expect(loads).toBe(1);
  });

  it("frees what it has read when the model fails", async () => {
    const known = new HiddenStates(new ScratchFile(temporaryFolder()));
    const made = await modelTeacher(model).finalHidden({ samples, start: 0 });
    await known.put(0, made[0]!);
    tf.dispose(made);
    const before = tf.memory().numTensors;
    const teacher = rememberedTeacher(known, model.head, () => Promise.reject(new Error("no model")));
    await expect(teacher.finalHidden({ samples, start: 0 })).rejects.toThrow("no model");
    expect(tf.memory().numTensors).toBe(before);
  });
});
