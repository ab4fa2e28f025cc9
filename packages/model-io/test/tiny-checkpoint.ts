import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Rng } from "@sdmprune/core";
import { fromFloat32, type TensorToWrite } from "@sdmprune/model-io";

/** Tensors of a two-layer BF16 Llama, a few kilobytes, from a seed. */
export function tinyTensors(seed = 1): TensorToWrite[] {
  const rng = new Rng(seed, "tiny-checkpoint");
  const tensor = (name: string, ...shape: number[]): TensorToWrite => {
    const size = shape.reduce((a, b) => a * b, 1);
    const bytes = fromFloat32(
      Float32Array.from({ length: size }, () => rng.normal()),
      "BF16",
    );
    return { name, dtype: "BF16", shape, data: () => bytes };
  };
  const layer = (i: number) => [
    tensor(`model.layers.${i}.mlp.gate_proj.weight`, 12, 8),
    tensor(`model.layers.${i}.mlp.up_proj.weight`, 12, 8),
    tensor(`model.layers.${i}.mlp.down_proj.weight`, 8, 12),
  ];
  return [
    tensor("model.embed_tokens.weight", 16, 8),
    ...layer(0),
    ...layer(1),
    tensor("lm_head.weight", 16, 8),
  ];
}

/** A config in the old form, with a float that `JSON.stringify` would turn into an integer. */
export const TINY_CONFIG = `{
  "architectures": ["LlamaForCausalLM"],
  "intermediate_size": 12,
  "model_type": "llama",
  "rope_theta": 10000.0,
  "tie_word_embeddings": false,
  "torch_dtype": "bfloat16"
}
`;

/** Files that stand beside the weights in a folder from the hub; half of them must not be carried over. */
export const SIDE_FILES: Readonly<Record<string, string>> = {
  "tokenizer.json": "{}",
  "tokenizer_config.json": '{"bos_token": "<s>"}',
  "special_tokens_map.json": "{}",
  "generation_config.json": '{"eos_token_id": [1, 2]}',
  "chat_template.jinja": "{{ messages }}",
  "modeling_custom.py": "pass",
  "LICENSE.txt": "licence",
  "USE_POLICY.md": "policy",
  "README.md": "# Original",
  "pytorch_model.bin": "pickle",
  "model.gguf": "gguf",
  "golden.json": "{}",
  ".gitattributes": "",
};

/** Writes the files above into a folder. */
export async function writeSideFiles(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const [name, text] of Object.entries(SIDE_FILES)) await writeFile(join(dir, name), text);
}
