import { tf } from "@sdmprune/tensor";
import { activateCpuBackend, tinyLlama } from "@sdmprune/test-utils";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import type { CausalLM } from "./causal-lm.js";
import { forwardHidden } from "./forward.js";
import { llamaFamily } from "./llama/family.js";
import type { LoadOptions } from "./model-family.js";

const IDS = Int32Array.of(5, 80, 200, 3);
const VIEW = [Int32Array.of(0, 3, 4, 20, 23), Int32Array.of(1, 2, 22)];
const WEIGHTS_OF_MLPS = 2 * 3;

describe("models that share weights", () => {
  const tiny = tinyLlama({ tied: false, dtype: "F16" });
  const models: CausalLM[] = [];
  const load = async (options: LoadOptions = {}, source = tiny.source): Promise<CausalLM> => {
    const model = await llamaFamily.load(source, llamaFamily.parseConfig(tiny.config), options);
    models.push(model);
    return model;
  };
  const hidden = async (model: CausalLM): Promise<Float32Array> => {
    const tensor = await forwardHidden(model, IDS, 1);
    const values = (await tensor.data()) as Float32Array;
    tensor.dispose();
    return values;
  };
  const numTensors = (): number => tf.memory().numTensors;

  beforeAll(activateCpuBackend);
  afterEach(() => models.splice(0).forEach((model) => model.dispose()));

  it.each(["resident", "streamed"] as const)("are to the bit what they are alone, %s", async (residency) => {
    const alone = [await hidden(await load()), await hidden(await load({ view: VIEW }))];
    const whole = await load({ residency });
    const student = await load({ view: VIEW, shareWith: whole });
    expect([await hidden(whole), await hidden(student)]).toEqual(alone);
    whole.dispose();
    expect(await hidden(student)).toEqual(alone[1]);
  });

  it("hold what is equal once: a student adds its MLPs, and the whole model leaves nothing but the rest", async () => {
    const before = numTensors();
    const whole = await load();
    await hidden(whole);
    const ofWhole = numTensors() - before;
    const student = await load({ view: VIEW, shareWith: whole });
    await hidden(student);
    expect(numTensors() - before).toBe(ofWhole + WEIGHTS_OF_MLPS);
    whole.dispose();
    expect(numTensors() - before).toBe(ofWhole); // the student's MLPs in place of the whole ones
    student.dispose();
    expect(numTensors()).toBe(before);
  });

  it("are disposed in any order, also while one is being read", async () => {
    const before = numTensors();
    const whole = await load();
    const student = await load({ view: VIEW, shareWith: whole });
    const pending = whole.block(0);
    whole.dispose();
    await expect(pending).rejects.toThrow("The model is disposed.");
    await hidden(student);
    student.dispose();
    student.dispose();
    expect(numTensors()).toBe(before);
  });

  it("have parameters of their own once they are set", async () => {
    const whole = await load();
    const student = await load({ shareWith: whole });
    const before = await hidden(whole);
    await hidden(student);
    const name = "model.layers.0.self_attn.o_proj.weight";
    student.setParameter(name, tf.zeros([16, 16]));
    expect(await hidden(whole)).toEqual(before);
    expect(await hidden(student)).not.toEqual(before);
    const parameter = await student.parameter(name);
    expect(new Set(await parameter.data())).toEqual(new Set([0]));
    parameter.dispose();
  });

  it("must have the same source and residency, and be open", async () => {
    const whole = await load();
    const message = "shareWith: expected an open model of the same source and residency, got another.";
    await expect(load({ shareWith: whole, residency: "streamed" })).rejects.toThrow(message);
    await expect(load({ shareWith: whole }, tinyLlama({ tied: false }).source)).rejects.toThrow(message);
    whole.dispose();
    await expect(load({ shareWith: whole })).rejects.toThrow(message);
    await expect(load({ shareWith: {} as CausalLM })).rejects.toThrow(
      "shareWith: expected a model of a family that shares weights, got another.",
    );
  });
});

describe("a streamed model", () => {
  beforeAll(activateCpuBackend);

  it("keeps the rows of the head read last, until a block is wanted", async () => {
    const reads: string[] = [];
    const { source, config } = tinyLlama();
    const model = await llamaFamily.load(
      { ...source, read: (name, options) => (reads.push(name), source.read(name, options)) },
      llamaFamily.parseConfig(config),
      { residency: "streamed" },
    );
    const before = tf.memory().numTensors;
    reads.length = 0;
    for (let i = 0; i < 3; i++) (await model.head.chunk(0, 100)).dispose();
    expect(reads).toEqual(["model.embed_tokens.weight"]);
    const [first, other] = [await model.head.chunk(0, 100), await model.head.chunk(100, 258)];
    expect([first.shape, other.shape]).toEqual([
      [100, 16],
      [158, 16],
    ]);
    tf.dispose([first, other]);
    expect(tf.memory().numTensors).toBe(before + 1);
    await model.block(0);
    model.releaseBlock(0);
    expect(tf.memory().numTensors).toBe(before);
    model.dispose();
  });

  it("frees nothing that somebody else still holds", async () => {
    const { source, config, values } = tinyLlama();
    const model = await llamaFamily.load(source, llamaFamily.parseConfig(config), { residency: "streamed" });
    const [a, b] = [await model.mlpWeights(0), await model.mlpWeights(1)];
    expect(await a.gate.data()).toEqual(values("model.layers.0.mlp.gate_proj.weight"));
    expect(await b.gate.data()).toEqual(values("model.layers.1.mlp.gate_proj.weight"));
    tf.dispose([{ ...a }, { ...b }]);
    model.dispose();
  });
});
