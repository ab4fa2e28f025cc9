"""A Llama forward pass in float64, differentiated by autograd: what the fixtures are computed with.

`transformers` keeps the norms, the rotary tables and the softmax in float32 whatever the model's dtype, so
its "double" model is not one. This one is; tiny_llama_scores.py checks it against `transformers` in float32.

Shapes: T tokens, H hidden, F intermediate (may differ per layer), V vocabulary, N query heads, K key/value
heads, D head_dim. A sequence has no batch axis.
"""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file


@dataclass
class Trace:
    """What a forward pass leaves behind besides its logits."""

    embedding_output: torch.Tensor  # [T, H]
    activations: list[torch.Tensor] = field(default_factory=list)  # per layer, silu(gate) * up, [T, F]


class Float64Llama:
    """A Llama checkpoint folder (one model.safetensors) as float64 tensors that require gradients."""

    def __init__(self, config: dict, weights: dict[str, torch.Tensor]):
        self.config = config
        self.weights = {name: w.detach().double().requires_grad_() for name, w in weights.items()}
        self.num_layers = config["num_hidden_layers"]

    @classmethod
    def load(cls, folder: Path) -> "Float64Llama":
        config = json.loads((folder / "config.json").read_text())
        return cls(config, load_file(folder / "model.safetensors"))

    def pruned(self, kept: list[list[int]]) -> "Float64Llama":
        """The model that keeps, in layer l, the MLP neurons kept[l]: rows of gate and up, columns of down."""
        weights = dict(self.weights)
        for layer, indices in enumerate(kept):
            gate, up, down = self.mlp_names(layer)
            weights[gate] = weights[gate][indices]
            weights[up] = weights[up][indices]
            weights[down] = weights[down][:, indices]
        return Float64Llama(self.config, weights)

    def mlp_names(self, layer: int) -> list[str]:
        return [f"model.layers.{layer}.mlp.{part}_proj.weight" for part in ("gate", "up", "down")]

    def mlp_weights(self, layer: int) -> list[torch.Tensor]:
        """gate [F, H], up [F, H], down [H, F]."""
        return [self.weights[name] for name in self.mlp_names(layer)]

    def forward(self, ids: list[int]) -> tuple[torch.Tensor, Trace]:
        """Logits [T, V] and the trace."""
        w = self.weights
        x = w["model.embed_tokens.weight"][torch.tensor(ids)]
        if x.requires_grad:
            x.retain_grad()
        trace = Trace(embedding_output=x)
        cos, sin = self.rotary_tables(len(ids))
        for layer in range(self.num_layers):
            prefix = f"model.layers.{layer}."
            x = x + self.attention(prefix, self.norm(x, prefix + "input_layernorm.weight"), cos, sin)
            gate, up, down = self.mlp_weights(layer)
            h = self.norm(x, prefix + "post_attention_layernorm.weight")
            g = h @ gate.T
            a = g * torch.sigmoid(g) * (h @ up.T)
            trace.activations.append(a)
            x = x + a @ down.T
        x = self.norm(x, "model.norm.weight")
        head = "model.embed_tokens.weight" if self.config["tie_word_embeddings"] else "lm_head.weight"
        return x @ w[head].T, trace

    def norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return (
            self.weights[name] * x / torch.sqrt((x * x).mean(-1, keepdim=True) + self.config["rms_norm_eps"])
        )

    def attention(self, prefix: str, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        length = x.shape[0]
        num_heads, num_kv = self.config["num_attention_heads"], self.config["num_key_value_heads"]
        projected = {p: x @ self.weights[f"{prefix}self_attn.{p}_proj.weight"].T for p in "qkv"}
        q = projected["q"].view(length, num_heads, -1).transpose(0, 1)  # [T, N*D] -> [N, T, D]
        k, v = (projected[p].view(length, num_kv, -1).transpose(0, 1) for p in "kv")  # [K, T, D]
        q, k = (rotate(t, cos, sin) for t in (q, k))
        group = torch.arange(num_heads) // (num_heads // num_kv)  # query head -> key/value head
        scores = q @ k[group].transpose(1, 2) / math.sqrt(q.shape[-1])
        future = torch.ones(length, length, dtype=torch.bool).triu(1)
        out = torch.softmax(scores.masked_fill(future, -math.inf), -1) @ v[group]
        return out.transpose(0, 1).reshape(length, -1) @ self.weights[prefix + "self_attn.o_proj.weight"].T

    def rotary_tables(self, length: int) -> tuple[torch.Tensor, torch.Tensor]:
        """cos and sin of position * frequency, [T, D/2]."""
        angles = torch.outer(torch.arange(length, dtype=torch.float64), rotary_frequencies(self.config))
        return torch.cos(angles), torch.sin(angles)


def rotary_frequencies(config: dict) -> torch.Tensor:
    """Frequencies [D/2] of the default and of the llama3 rope type; takes both forms of the config."""
    head_dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    rope = config.get("rope_parameters") or {
        **(config.get("rope_scaling") or {}),
        "rope_theta": config["rope_theta"],
    }
    base = torch.tensor(rope["rope_theta"], dtype=torch.float64)
    frequencies = base ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    kind = rope.get("rope_type", "default")
    if kind == "default":
        return frequencies
    if kind != "llama3":
        raise ValueError(f"rope_type: expected default or llama3, got {kind}.")
    original, factor = rope["original_max_position_embeddings"], rope["factor"]
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    turns = original * frequencies / (2 * math.pi)  # full turns within the original context
    blend = ((turns - low) / (high - low)).clamp(0, 1)  # 0: fully scaled, 1: untouched
    return frequencies * (blend + (1 - blend) / factor)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotates the pairs (k, k + D/2) of the last axis: the half-split layout of Hugging Face checkpoints."""
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)
