import { type CausalLM, type LlamaConfig, llamaFamily, type WeightSource } from "@sdmprune/models";
import { randomValues } from "./random-matrix.js";
import type { ModelShape, Shape } from "./shapes.js";

/** A Llama of one layer of this shape, with random weights and a vocabulary of 8. The caller disposes it. */
export function randomLlama(shape: Shape): Promise<CausalLM> {
  const { source, config } = randomLlamaSource({ ...shape, layers: 1, vocab: 8, samples: 1 });
  return llamaFamily.load(source, config);
}

/** The config of this shape, and random weights to load. */
export function randomLlamaSource(shape: ModelShape): { source: WeightSource; config: LlamaConfig } {
  const config = llamaFamily.parseConfig({
    model_type: "llama",
    vocab_size: shape.vocab,
    num_hidden_layers: shape.layers,
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
  return { source: randomWeights(config), config };
}

/** Numbers drawn; a prime, so that no two rows of a matrix begin at the same one. */
const TABLE_SIZE = 1_048_573;

/**
 * Norms of ones, matrices that keep the scale of their input; made when they are read, out of one table, since billions
 * of random numbers would take minutes.
 */
function randomWeights(config: LlamaConfig): WeightSource {
  const shapes = new Map(llamaFamily.expectedTensors(config).map(({ name, shape }) => [name, shape]));
  const tables = new Map<number, Float32Array>();
  const tableOf = (columns: number): Float32Array => {
    const table = tables.get(columns) ?? randomValues(`weights of ${columns}`, TABLE_SIZE, columns ** -0.5);
    tables.set(columns, table);
    return table;
  };
  return {
    tensorNames: () => shapes.keys(),
    info: (name) => ({ dtype: "F32", shape: shapes.get(name)! }),
    async read(name, { rows, into } = {}) {
      const [numRows, columns] = shapes.get(name) as [number, number?];
      const [start, end] = rows ?? [0, numRows];
      const size = (end - start) * (columns ?? 1);
      const bytes = into ?? new Uint8Array(4 * size);
      const values = new Float32Array(bytes.buffer, bytes.byteOffset, size);
      if (columns === undefined) values.fill(1);
      else repeat(tableOf(columns), name.length * 7919 + start * columns, values);
      return bytes;
    },
  };
}

/** Fills `out` from an endless repetition of `table`, from `start`. */
function repeat(table: Float32Array, start: number, out: Float32Array): void {
  for (let at = 0, from = start % table.length; at < out.length; from = 0) {
    const piece = table.subarray(from, from + out.length - at);
    out.set(piece, at);
    at += piece.length;
  }
}
