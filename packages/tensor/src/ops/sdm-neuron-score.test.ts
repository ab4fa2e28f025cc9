import { describe, expect, it } from "vitest";
import * as tf from "@tensorflow/tfjs-core";
import { expectNoLeak, expectValues, tensor, useCpuBackend } from "../../test/cpu-backend.js";
import { randomValues } from "../../test/finite-difference.js";
import { MLP_CASE } from "../../test/golden-vectors.js";
import { gatedMlpBackward, gatedMlpSaving } from "./gated-mlp.js";
import { sdmNeuronScore, type SdmNeuronScoreInputs } from "./sdm-neuron-score.js";

useCpuBackend();

describe("sdmNeuronScore", () => {
  it("gives the score of the golden vectors", async () => {
    await expectNoLeak(() => {
      const x = tensor<tf.Tensor2D>(MLP_CASE.x, [3, 2]);
      const dy = tensor<tf.Tensor2D>(MLP_CASE.dy, [3, 2]);
      const weights = {
        gate: tensor<tf.Tensor2D>(MLP_CASE.gate, [3, 2]),
        up: tensor<tf.Tensor2D>(MLP_CASE.up, [3, 2]),
        down: tensor<tf.Tensor2D>(MLP_CASE.down, [2, 3]),
      };
      const { output, saved } = gatedMlpSaving(x, weights);
      const { dx, gateGrad, upGrad, activationGrad } = gatedMlpBackward(x, weights, saved, dy);
      const { activation } = saved;
      expectValues(sdmNeuronScore({ x, activation, gateGrad, upGrad, dy, ...weights }), MLP_CASE.sdm);
      tf.dispose([x, dy, output, dx, gateGrad, upGrad, activationGrad]);
      tf.dispose([...Object.values(weights), ...Object.values(saved)] as tf.Tensor[]);
    });
  });

  it("is the same over several tiles of neurons as its definition", async () => {
    const [N, H, F] = [1, 140_000, 9]; // 7 neurons to a tile
    const values = {
      x: randomValues("x", N * H),
      dy: randomValues("dy", N * H),
      activation: randomValues("activation", N * F),
      gateGrad: randomValues("gateGrad", N * F),
      upGrad: randomValues("upGrad", N * F),
      gate: randomValues("gate", F * H),
      up: randomValues("up", F * H),
      down: randomValues("down", H * F),
    };
    const expected = Float64Array.from({ length: F }, (_, f) => {
      let sum = 0;
      for (let h = 0; h < H; h++) {
        let salience = 0;
        for (let n = 0; n < N; n++) {
          salience += values.down[h * F + f]! * values.activation[n * F + f]! * values.dy[n * H + h]!;
          salience += values.up[f * H + h]! * values.upGrad[n * F + f]! * values.x[n * H + h]!;
          salience += values.gate[f * H + h]! * values.gateGrad[n * F + f]! * values.x[n * H + h]!;
        }
        sum += Math.abs(salience);
      }
      return sum / H;
    });
    await expectNoLeak(() => {
      const inputs: SdmNeuronScoreInputs = {
        x: tensor(values.x, [N, H]),
        dy: tensor(values.dy, [N, H]),
        activation: tensor(values.activation, [N, F]),
        gateGrad: tensor(values.gateGrad, [N, F]),
        upGrad: tensor(values.upGrad, [N, F]),
        gate: tensor(values.gate, [F, H]),
        up: tensor(values.up, [F, H]),
        down: tensor(values.down, [H, F]),
      };
      expectValues(sdmNeuronScore(inputs), expected);
      tf.dispose(Object.values(inputs) as tf.Tensor[]);
    });
  });

  it("names the input that does not fit", () => {
    const square = tf.ones<tf.Rank.R2>([3, 3]);
    const inputs = { x: square, activation: square, gateGrad: square, upGrad: tf.ones<tf.Rank.R2>([3, 2]) };
    expect(() => sdmNeuronScore({ ...inputs, dy: square, gate: square, up: square, down: square })).toThrow(
      "sdmNeuronScore: upGrad must have shape [N, F] with N=3, F=3, got [3, 2].",
    );
  });
});
