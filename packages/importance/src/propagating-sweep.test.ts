import { InterruptedError, NonFiniteError, silentProgress, UsageError } from "@sdmprune/core";
import type { CausalLM } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import { activateCpuBackend } from "@sdmprune/test-utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { keepBest, sweep } from "../test/tiny-llama-fixtures.js";
import { tinyModel, tinySamples } from "../test/tiny-model.js";
import { createTaylor } from "./criteria/self-distillation.js";
import { createWanda } from "./criteria/wanda.js";
import { propagatingSweep, type PropagatingSweepRequest } from "./propagating-sweep.js";

const whole = Int32Array.from({ length: 24 }, (_, n) => n);

/** The tiny model with one layer cut to its best `width` neurons. */
const cutTo =
  (width: number): PropagatingSweepRequest["cutLayer"] =>
  (layer, scores) =>
    tinyModel({}, [whole, whole].with(layer, Int32Array.from(keepBest([scores], width)[0]!)));

describe("propagatingSweep", () => {
  const samples = tinySamples(3);
  let model: CausalLM;
  const propagate = (more: Partial<PropagatingSweepRequest> = {}) =>
    propagatingSweep({
      student: model,
      samples,
      importance: "wanda",
      criterion: createWanda(),
      progress: silentProgress,
      cutLayer: cutTo(12),
      ...more,
    });
  beforeAll(async () => {
    await activateCpuBackend();
    model = await tinyModel();
  });
  afterAll(() => model.dispose());

  it("gives the first layer the scores of a plain sweep, the next those behind the cut one", async () => {
    const plain = (await sweep(model, samples, { wanda: createWanda() })).get("wanda")!;
    const propagated = await propagate();
    expect(propagated[0]).toEqual(plain[0]);
    expect(propagated[1]).not.toEqual(plain[1]);
    const student = await cutTo(12)(0, plain[0]!);
    const behind = (await sweep(student, samples, { wanda: createWanda() })).get("wanda")!;
    student.dispose();
    expect(propagated[1]).toEqual(behind[1]);
  });

  it("is a plain sweep when nothing is cut", async () => {
    const plain = await sweep(model, samples, { wanda: createWanda() });
    expect(await propagate({ cutLayer: cutTo(24) })).toEqual(plain.get("wanda"));
  });

  it("refuses criteria that need gradients, and a lack of samples", async () => {
    const byGradients = propagate({ importance: "taylor", criterion: createTaylor() });
    await expect(byGradients).rejects.toThrow(UsageError);
    await expect(byGradients).rejects.toThrow(
      'importance "taylor": propagation layer by layer needs a criterion of activations alone.',
    );
    await expect(propagate({ samples: [] })).rejects.toThrow(
      'importance "wanda": expected calibration samples, got none.',
    );
  });

  it("leaves no tensor behind, whether it succeeds or fails", async () => {
    const before = tf.memory().numTensors;
    await propagate();
    await expect(propagate({ signal: AbortSignal.abort() })).rejects.toThrow(InterruptedError);
    const tooLong = [...samples, { ids: new Int32Array(200), document: "long", offset: 0 }];
    await expect(propagate({ samples: tooLong })).rejects.toThrow("positions from 0 to 127");
    const failing = { cutLayer: () => Promise.reject(new Error("no such layer")) };
    await expect(propagate(failing)).rejects.toThrow("no such layer");
    const infinite = { ...createWanda(), finish: () => tf.fill<tf.Rank.R1>([24], Infinity) };
    await expect(propagate({ criterion: infinite })).rejects.toThrow(NonFiniteError);
    const spoiled = await tinyModel({ spoil: "model.layers.1.mlp.gate_proj.weight" });
    await expect(propagate({ student: spoiled })).rejects.toThrow(
      'importance "wanda": layer 1, sample doc-0 at token 0: neuron 23 got the score NaN.',
    );
    spoiled.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});
