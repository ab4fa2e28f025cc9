import { gatedMlpBackward, gatedMlpSaving, sdmNeuronScore, tf } from "@sdmprune/tensor";
import { linearWeight, randomMatrix } from "./random-matrix.js";
import type { Shape } from "./shapes.js";
import type { Case, PreparedCase } from "./take-turns.js";

/** The gated MLP of a decoder layer: forward, gradient of its input, and SDMPrune's score of its neurons. */
export function mlpCase(shape: Shape): Case {
  return {
    name: `mlp-score/${shape.name}`,
    what: `MLP of one layer, forward, backward and SDMPrune score of every neuron, ${shape.tokens} tokens`,
    setUp: () => setUpMlp(shape),
  };
}

function setUpMlp({ tokens: N, hidden: H, intermediate: F }: Shape): PreparedCase {
  const weights = {
    gate: linearWeight("gate", F, H),
    up: linearWeight("up", F, H),
    down: linearWeight("down", H, F),
  };
  const x = randomMatrix("x", N, H);
  const dy = randomMatrix("dy", N, H);
  return {
    run() {
      const { output, saved } = gatedMlpSaving(x, weights);
      const gradients = gatedMlpBackward(x, weights, saved, dy);
      const { gateGrad, upGrad } = gradients;
      const score = sdmNeuronScore({ x, activation: saved.activation, gateGrad, upGrad, dy, ...weights });
      tf.dispose([output, score]);
      tf.dispose({ ...saved });
      tf.dispose({ ...gradients });
    },
    dispose() {
      tf.dispose([x, dy, ...Object.values(weights)]);
    },
  };
}
