import { llamaFamily, type CausalLM } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import { activateCpuBackend, tinyLlama } from "@sdmprune/test-utils";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { AdapterSteps, disposeGradients, type AdapterStepsOptions } from "./adapter-steps.js";

const tiny = tinyLlama({ seed: 2 });
const modules = ["model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"];
const options: AdapterStepsOptions = {
  modules,
  r: 2,
  loraAlpha: 4,
  learningRate: 1e-2,
  maxGradNorm: 1,
  seed: 0,
};
const windows = [{ ids: Int32Array.of(5, 80, 200, 3, 17) }, { ids: Int32Array.of(9, 9, 100, 4) }];

describe("AdapterSteps", () => {
  let model: CausalLM;
  let before: number;
  beforeAll(activateCpuBackend);
  beforeEach(async () => {
    before = tf.memory().numTensors;
    model = await llamaFamily.load(tiny.source, llamaFamily.parseConfig(tiny.config));
  });
  afterEach(() => {
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it("lowers the loss of the windows it steps on", async () => {
    const steps = new AdapterSteps(model, options);
    const losses: number[] = [];
    for (let i = 0; i < 5; i++) {
      const gradients = await steps.gradients(windows);
      losses.push(gradients.loss);
      expect(await steps.apply(gradients)).toBeGreaterThan(0);
    }
    expect(losses.at(-1)).toBeLessThan(losses[0]! - 0.05);
    steps.dispose();
  });

  it("has the gradients of the mean of the windows' losses", async () => {
    const steps = new AdapterSteps(model, options);
    const [both, first, second] = [
      await steps.gradients(windows),
      await steps.gradients([windows[0]!]),
      await steps.gradients([windows[1]!]),
    ];
    expect(both.loss).toBeCloseTo((first.loss + second.loss) / 2, 6);
    for (const module of modules) {
      const values = [both, first, second].map(({ of }) => of.get(module)!.b.dataSync());
      values[0]!.forEach((value, i) => expect(value).toBeCloseTo((values[1]![i]! + values[2]![i]!) / 2, 5));
    }
    [both, first, second].forEach(disposeGradients);
    steps.dispose();
  });

  it("leaves the model as it was when it is disposed", async () => {
    const plain = new AdapterSteps(model, options);
    const untouched = await plain.gradients(windows);
    await plain.apply(untouched);
    plain.dispose();
    const again = new AdapterSteps(model, options);
    const gradients = await again.gradients(windows);
    expect(gradients.loss).toBe(untouched.loss);
    disposeGradients(gradients);
    again.dispose();
  });

  it("starts from the same adapters for the same seed, within 1 / sqrt(inputs), and with B zero", async () => {
    const first = new AdapterSteps(model, options);
    const values = await first.values();
    first.dispose();
    const second = new AdapterSteps(model, options);
    expect(await second.values()).toEqual(values);
    second.dispose();
    const { a, b, scaling } = values.get(modules[1]!)!; // 24 inputs, 16 outputs
    expect([a.length, b.length, scaling]).toEqual([2 * 24, 16 * 2, 2]);
    expect(Math.max(...a.map(Math.abs))).toBeLessThanOrEqual(1 / Math.sqrt(24));
    expect(Math.max(...a.map(Math.abs))).toBeGreaterThan(0.8 / Math.sqrt(24));
    expect(b.every((value) => value === 0)).toBe(true);
  });

  it("stops with its tensors freed when it is interrupted", async () => {
    const controller = new AbortController();
    controller.abort();
    const steps = new AdapterSteps(model, options);
    await expect(steps.gradients(windows, controller.signal)).rejects.toThrow("Interrupted.");
    steps.dispose();
  });
});
