"""Writes the tiny seeded Llama checkpoints that the tests share.

    python tiny_llama.py        ->  packages/test-utils/fixtures/tiny-llama, tiny-llama-tied

Both: 2 layers, hidden 32, intermediate 48, 4 heads over 2 key/value heads, head_dim 8, vocabulary 97,
float32. `tiny-llama` is untied with plain rotary embeddings; `tiny-llama-tied` has tied embeddings and llama3
rope scaling, whose original context (128) puts one of the 4 frequencies above, one inside and two below the
transition.
"""

from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

FIXTURES = Path(__file__).resolve().parents[2] / "packages" / "test-utils" / "fixtures"

LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 128,
}


def build(seed: int, tied: bool) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=97,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=1024 if tied else 128,
        rope_parameters=LLAMA3_ROPE if tied else {"rope_type": "default", "rope_theta": 10000.0},
        rms_norm_eps=1e-5,
        tie_word_embeddings=tied,
        mlp_bias=False,
        attention_bias=False,
        initializer_range=0.25,  # the usual 0.02 leaves this width with flat logits and scores
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=None,
        dtype="float32",
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():  # norms start as ones, which would hide a norm weight that is left out
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.add_(0.2 * torch.randn_like(weight))
    return model


def main() -> None:
    for name, seed, tied in (("tiny-llama", 20250611, False), ("tiny-llama-tied", 20250612, True)):
        model = build(seed, tied)
        model.save_pretrained(FIXTURES / name)
        print(f"{name}: {sum(p.numel() for p in model.parameters())} parameters")


if __name__ == "__main__":
    main()
