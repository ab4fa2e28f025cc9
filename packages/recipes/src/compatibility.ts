/** Whether one consumer of a checkpoint takes MLPs of some width, and what to know about it. */
export interface Compatibility {
  readonly consumer: string;
  readonly status: "yes" | "partly" | "no";
  readonly note: string;
}

/** GGUF block sizes along a row of down_proj, whose length is the width (llama.cpp, ggml-quants). */
const GGUF_K_BLOCK = 256;
const GGUF_BLOCK = 32;
/** Default group size of MLX quantisation. */
const MLX_GROUP = 64;
/** Tensor-parallel sizes people run vLLM with. */
const TENSOR_PARALLEL_SIZES = [2, 4, 8];

/**
 * What can load a checkpoint whose MLPs have these widths.
 *
 * @param widths - Width of every layer as written.
 */
export function checkCompatibility(widths: readonly number[]): Compatibility[] {
  const width = widths[0]!;
  if (widths.some((w) => w !== width)) {
    const note = "layers differ in width; stock code builds every layer with one intermediate_size";
    return ["transformers", "vLLM", "llama.cpp (GGUF)", "MLX"].map((consumer) => ({
      consumer,
      status: "no",
      note,
    }));
  }
  return [
    { consumer: "transformers", status: "yes", note: "one intermediate_size in config.json" },
    vllm(width),
    gguf(width),
    width % MLX_GROUP === 0
      ? { consumer: "MLX", status: "yes", note: `quantises with groups of ${MLX_GROUP}` }
      : {
          consumer: "MLX",
          status: "partly",
          note: `runs; quantisation skips down_proj (not a multiple of ${MLX_GROUP})`,
        },
  ];
}

function vllm(width: number): Compatibility {
  const sizes = TENSOR_PARALLEL_SIZES.filter((size) => width % size === 0);
  return {
    consumer: "vLLM",
    status: sizes.length === TENSOR_PARALLEL_SIZES.length ? "yes" : "partly",
    note: `tensor parallel size ${[1, ...sizes].join(", ")}`,
  };
}

function gguf(width: number): Compatibility {
  const consumer = "llama.cpp (GGUF)";
  if (width % GGUF_K_BLOCK === 0)
    return { consumer, status: "yes", note: "every quantisation, K-quants too" };
  if (width % GGUF_BLOCK === 0) {
    return {
      consumer,
      status: "partly",
      note: `Q4_0, Q5_0, Q8_0; K-quants fall back for down_proj (not a multiple of ${GGUF_K_BLOCK})`,
    };
  }
  return { consumer, status: "partly", note: `F32, F16, BF16 only (not a multiple of ${GGUF_BLOCK})` };
}
