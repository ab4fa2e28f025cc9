import { type CausalLM, type LlamaConfig, llamaFamily, type WeightSource } from "@sdmprune/models";
import { randomValues } from "./random-matrix.js";
import type { Shape } from "./shapes.js";

/** A Llama of one layer of this shape, with random weights and a vocabulary of 8. The caller disposes it. */
export function randomLlama(shape: Shape): Promise<CausalLM> {
  const config = llamaFamily.parseConfig({
    model_type: "llama",
    vocab_size: 8,
    num_hidden_layers: 1,
    hidden_size: shape.hidden,
    intermediate_size: shape.intermediate,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.kvHeads,
    head_dim: shape.headDim,
    max_position_embeddings: shape.tokens,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    hidden_act: "silu",
    tie_word_embeddings: true,
  });
  return llamaFamily.load(randomWeights(config), config);
}

/** Norms of ones, matrices that keep the scale of their input; made when they are read. */
function randomWeights(config: LlamaConfig): WeightSource {
  const shapes = new Map(llamaFamily.expectedTensors(config).map(({ name, shape }) => [name, shape]));
  return {
    tensorNames: () => shapes.keys(),
    info: (name) => ({ dtype: "F32", shape: shapes.get(name)! }),
    async read(name, { rows } = {}) {
      const [numRows, columns] = shapes.get(name) as [number, number?];
      const values =
        columns === undefined
          ? new Float32Array(numRows).fill(1)
          : randomValues(name, numRows * columns, columns ** -0.5);
      const [start, end] = rows ?? [0, numRows];
      const part = values.subarray(start * (columns ?? 1), end * (columns ?? 1));
      return new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    },
  };
}
