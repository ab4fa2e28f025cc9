import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import { expectNoLeak, tensor, useCpuBackend } from "../../test/cpu-backend.js";
import { adamW, type AdamWState } from "./adam-w.js";

useCpuBackend();

const vector = (values: number[]): tf.Tensor => tensor(values, [values.length]);

describe("adamW", () => {
  it("moves by the learning rate in the first step, after decay, whatever the size of the gradient", async () => {
    await expectNoLeak(() => {
      const state = { parameter: vector([2, -4]), m: vector([0, 0]), v: vector([0, 0]) };
      const gradient = vector([1000, -0.001]);
      const next = adamW(state, gradient, { learningRate: 0.1, weightDecay: 0.5, step: 1 });
      expect(next.parameter.dataSync()[0]).toBeCloseTo(2 * 0.95 - 0.1, 5);
      expect(next.parameter.dataSync()[1]).toBeCloseTo(-4 * 0.95 + 0.1, 4);
      expect(next.m.dataSync()[0]).toBeCloseTo(100, 3);
      expect(next.v.dataSync()[0]).toBeCloseTo(1000, 2);
      tf.dispose([...Object.values(state), ...Object.values(next), gradient] as tf.Tensor[]);
    });
  });

  it("follows the formula over several steps in float64", () => {
    let state: AdamWState = { parameter: vector([0.5]), m: vector([0]), v: vector([0]) };
    let [p, m, v] = [0.5, 0, 0];
    for (let step = 1; step <= 5; step++) {
      const g = Math.sin(step) * 0.25; // gradientScale 0.25
      state = adamW(state, vector([Math.sin(step)]), {
        learningRate: 0.01,
        weightDecay: 0.1,
        beta1: 0.8,
        beta2: 0.95,
        epsilon: 1e-6,
        step,
        gradientScale: 0.25,
      });
      m = 0.8 * m + 0.2 * g;
      v = 0.95 * v + 0.05 * g * g;
      p -= 0.01 * 0.1 * p;
      p -= (0.01 * (m / (1 - 0.8 ** step))) / (Math.sqrt(v / (1 - 0.95 ** step)) + 1e-6);
      expect(state.parameter.dataSync()[0]).toBeCloseTo(p, 6);
    }
  });

  it("refuses shapes that differ and a step below 1", () => {
    const state = { parameter: vector([1, 2]), m: vector([0, 0]), v: vector([0]) };
    expect(() => adamW(state, vector([1, 2]), { learningRate: 1, step: 1 })).toThrow(
      "adamW: v must have shape [2], got [1].",
    );
    expect(() => adamW({ ...state, v: state.m }, vector([1, 2]), { learningRate: 1, step: 0 })).toThrow(
      "adamW: expected the number of the step, from 1, got 0.",
    );
  });
});
