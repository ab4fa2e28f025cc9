/** Parts of a block with their tensor names in GGUF (`blk.<i>.<name>`) and Hugging Face (`model.layers.<i>.<name>`) files. */
const BLOCK_PARTS: readonly (readonly [gguf: string, hf: string])[] = [
  ["attn_norm", "input_layernorm"],
  ["attn_q", "self_attn.q_proj"],
  ["attn_k", "self_attn.k_proj"],
  ["attn_v", "self_attn.v_proj"],
  ["attn_output", "self_attn.o_proj"],
  ["ffn_norm", "post_attention_layernorm"],
  ["ffn_gate", "mlp.gate_proj"],
  ["ffn_up", "mlp.up_proj"],
  ["ffn_down", "mlp.down_proj"],
];

const OTHER_PARTS: readonly (readonly [gguf: string, hf: string])[] = [
  ["token_embd", "model.embed_tokens"],
  ["output_norm", "model.norm"],
  ["output", "lm_head"],
];

const TO_HF = new Map([...BLOCK_PARTS, ...OTHER_PARTS]);
const TO_GGUF = new Map([...BLOCK_PARTS, ...OTHER_PARTS].map(([gguf, hf]) => [hf, gguf]));

/** Frequency factors of llama3 rotary scaling, which Hugging Face files have in their config instead. */
export const ROPE_FACTORS = "rope_freqs.weight";

/** The Hugging Face name of a GGUF tensor of the llama architecture; undefined if there is none. */
export function hfTensorName(gguf: string): string | undefined {
  const [, layer, part, kind] = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(gguf) ?? [];
  const hf = part === undefined ? undefined : TO_HF.get(part);
  if (hf === undefined || hf.startsWith("model.") !== (layer === undefined && part !== "output"))
    return undefined;
  return layer === undefined ? `${hf}.${kind}` : `model.layers.${layer}.${hf}.${kind}`;
}

/** The GGUF name of a tensor of a Hugging Face Llama; undefined if there is none. */
export function ggufTensorName(hf: string): string | undefined {
  const [, layer, part, kind] = /^(?:model\.layers\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(hf) ?? [];
  const gguf = part === undefined ? undefined : TO_GGUF.get(part);
  if (gguf === undefined || BLOCK_PARTS.some(([name]) => name === gguf) !== (layer !== undefined))
    return undefined;
  return layer === undefined ? `${gguf}.${kind}` : `blk.${layer}.${gguf}.${kind}`;
}

/** Which heads' rotary order the rows of a tensor follow, by its GGUF name. */
export function rotaryHeads(gguf: string): "query" | "key" | undefined {
  const [, part] = /\.attn_([qk])\.(?:weight|bias)$/.exec(gguf) ?? [];
  return part === "q" ? "query" : part === "k" ? "key" : undefined;
}
