import { describe, expect, it } from "vitest";
import * as tf from "@tensorflow/tfjs-core";
import { expectNoLeak, expectValues, tensor, useCpuBackend } from "../../test/cpu-backend.js";
import { randomValues, vectorJacobianProduct } from "../../test/finite-difference.js";
import { gatedMlp64, type Mlp64 } from "../../test/float64-reference.js";
import { MLP_CASE } from "../../test/golden-vectors.js";
import { gatedMlp, gatedMlpBackward, gatedMlpSaving, type GatedMlpWeights } from "./gated-mlp.js";
import { linearBackwardBias, linearBackwardWeight } from "./linear.js";

useCpuBackend();

describe("gatedMlp", () => {
  it("gives the activations and gradients of the golden vectors", async () => {
    await expectNoLeak(() => {
      const x = tensor<tf.Tensor2D>(MLP_CASE.x, [3, 2]);
      const dy = tensor<tf.Tensor2D>(MLP_CASE.dy, [3, 2]);
      const weights: GatedMlpWeights = {
        gate: tensor(MLP_CASE.gate, [3, 2]),
        up: tensor(MLP_CASE.up, [3, 2]),
        down: tensor(MLP_CASE.down, [2, 3]),
      };
      const { output, saved } = gatedMlpSaving(x, weights);
      const { dx, gateGrad, upGrad, activationGrad } = gatedMlpBackward(x, weights, saved, dy);
      expectValues(linearBackwardWeight(x, gateGrad), MLP_CASE.dGate);
      expectValues(linearBackwardWeight(x, upGrad), MLP_CASE.dUp);
      expectValues(linearBackwardWeight(saved.activation, dy), MLP_CASE.dDown);
      expectValues(saved.activation, MLP_CASE.activation);
      expectValues(activationGrad, MLP_CASE.activationGrad);
      tf.dispose([x, dy, output, dx, gateGrad, upGrad, saved.gate, saved.up]);
      tf.dispose(Object.values(weights) as tf.Tensor[]);
    });
  });

  const activations = ["silu", "gelu", "gelu_pytorch_tanh", "relu"] as const;
  const maskPlaces = ["activation", "projections"] as const;
  it.each(activations.flatMap((activation) => maskPlaces.map((maskAt) => [activation, maskAt] as const)))(
    "has the gradients of finite differences with %s, biases and a mask at the %s",
    async (activation, maskAt) => {
      const [N, H, F] = [3, 4, 5];
      const x = randomValues("x", N * H);
      const dy = randomValues("dy", N * H);
      const hasKink = activation === "relu" && maskAt === "projections"; // at 0, where there is no derivative
      const w64 = {
        gate: randomValues("gate", F * H),
        up: randomValues("up", F * H),
        down: randomValues("down", H * F),
        gateBias: randomValues("gateBias", F),
        upBias: randomValues("upBias", F),
        downBias: randomValues("downBias", H),
        mask: Float64Array.of(1, hasKink ? 0.25 : 0, 0.5, -1, 2),
      } satisfies Mlp64;
      const by = (name: keyof Mlp64): Float64Array =>
        vectorJacobianProduct(
          (v) => gatedMlp64(x, { ...w64, [name]: v }, H, activation, maskAt),
          w64[name],
          dy,
        );

      await expectNoLeak(() => {
        const t = tensor<tf.Tensor2D>(x, [N, H]);
        const d = tensor<tf.Tensor2D>(dy, [N, H]);
        const mask = tensor<tf.Tensor1D>(w64.mask, [F]);
        const weights = {
          gate: tensor<tf.Tensor2D>(w64.gate, [F, H]),
          up: tensor<tf.Tensor2D>(w64.up, [F, H]),
          down: tensor<tf.Tensor2D>(w64.down, [H, F]),
          gateBias: tensor<tf.Tensor1D>(w64.gateBias, [F]),
          upBias: tensor<tf.Tensor1D>(w64.upBias, [F]),
          downBias: tensor<tf.Tensor1D>(w64.downBias, [H]),
        };
        const { output, saved } = gatedMlpSaving(t, weights, { activation, mask, maskAt });
        const g = gatedMlpBackward(t, weights, saved, d, { activation, mask, maskAt });
        const expected = gatedMlp64(x, w64, H, activation, maskAt);
        expectValues(output, expected);
        expectValues(gatedMlp(t, weights, { activation, mask, maskAt }), expected);
        expectValues(linearBackwardWeight(t, g.gateGrad), by("gate"));
        expectValues(linearBackwardWeight(t, g.upGrad), by("up"));
        expectValues(linearBackwardWeight(saved.activation, d), by("down"));
        expectValues(linearBackwardBias(g.gateGrad), by("gateBias"));
        expectValues(linearBackwardBias(g.upGrad), by("upBias"));
        expectValues(g.maskGrad!, by("mask"));
        expectValues(g.dx, vectorJacobianProduct((v) => gatedMlp64(v, w64, H, activation, maskAt), x, dy)); // prettier-ignore
        tf.dispose([t, d, mask, ...Object.values(weights), ...Object.values(saved)] as tf.Tensor[]);
        tf.dispose([g.gateGrad, g.upGrad, g.activationGrad]);
      });
    },
  );

  it("takes a neuron out with a mask of 0, as deleting its rows and column does", () => {
    const [gate, up, down] = [
      tf.ones<tf.Rank.R2>([2, 3]),
      tf.ones<tf.Rank.R2>([2, 3]),
      tf.ones<tf.Rank.R2>([3, 2]),
    ];
    const x = tf.tensor2d([[1, 2, -1]]);
    const masked = gatedMlp(x, { gate, up, down }, { mask: tf.tensor1d([1, 0]) });
    const one = tf.ones<tf.Rank.R2>([1, 3]);
    const deleted = gatedMlp(x, { gate: one, up: one, down: tf.ones([3, 1]) });
    expectValues(masked, deleted.dataSync());
  });

  it("names the weight that does not fit", () => {
    const weights = {
      gate: tf.ones([5, 3]),
      up: tf.ones([5, 3]),
      down: tf.ones([5, 3]),
    } as unknown as GatedMlpWeights;
    expect(() => gatedMlp(tf.ones([2, 3]), weights)).toThrow(
      "gatedMlp: weights.down must have shape [H, F] with H=3, F=5, got [5, 3].",
    );
  });
});
