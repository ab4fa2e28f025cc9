import { type BlockObserver, llamaTensorName } from "@sdmprune/models";
import { tf } from "@sdmprune/tensor";
import { randomLlama } from "./random-llama.js";
import { randomMatrix } from "./random-matrix.js";
import type { Shape } from "./shapes.js";
import type { Case, PreparedCase } from "./take-turns.js";

/** The weights whose gradients a calibration pass needs. They are computed one by one, and freed once seen. */
const MLP_WEIGHTS = new Set(
  (["mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.down_proj.weight"] as const).map((part) =>
    llamaTensorName({ layer: 0, part }),
  ),
);
const observer: BlockObserver = { wantsWeight: (name) => MLP_WEIGHTS.has(name), weight: () => undefined };

/** One Llama decoder layer, forward alone. */
export function blockForwardCase(shape: Shape): Case {
  return {
    name: `block-forward/${shape.name}`,
    what: `one decoder layer, forward, ${shape.tokens} tokens`,
    setUp: () => setUpBlock(shape, "forward"),
  };
}

/** One Llama decoder layer, forward and with the gradients of its input and of the MLP's weights. */
export function blockBackwardCase(shape: Shape): Case {
  return {
    name: `block-backward/${shape.name}`,
    what: `one decoder layer, forward and backward: gradients of its input and of the three MLP weights, ${shape.tokens} tokens`,
    setUp: () => setUpBlock(shape, "backward"),
  };
}

async function setUpBlock(shape: Shape, pass: "forward" | "backward"): Promise<PreparedCase> {
  const model = await randomLlama(shape);
  const block = await model.block(0);
  const context = model.sequence(1, shape.tokens);
  const x = randomMatrix("x", shape.tokens, shape.hidden);
  const dy = randomMatrix("dy", shape.tokens, shape.hidden);
  return {
    run() {
      if (pass === "forward") return block.forward(x, context).dispose();
      const { output, saved } = block.forwardSaving(x, context);
      output.dispose();
      block.backward(saved, dy, context, observer).dispose();
    },
    dispose() {
      context.dispose();
      model.dispose();
      tf.dispose([x, dy]);
    },
  };
}
