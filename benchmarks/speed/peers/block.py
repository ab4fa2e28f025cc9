"""One Llama decoder layer in float32: forward alone, and forward with the backward that a calibration pass
needs, which is the gradient of the input and of the three MLP weights, none of the attention weights.

See peer.py for how it is run.
"""

import torch
import torch.nn.functional as F

from peer import SHAPES, Case, Shape, linear_weight, take_turns


class Block:
    def __init__(self, shape: Shape):
        self.shape = shape
        attention, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
        self.norms = [torch.ones(shape.hidden), torch.ones(shape.hidden)]
        self.q, self.k, self.v = (linear_weight(rows, shape.hidden) for rows in (attention, kv, kv))
        self.o = linear_weight(shape.hidden, attention)
        self.gate, self.up = (
            linear_weight(shape.intermediate, shape.hidden, requires_grad=True) for _ in range(2)
        )
        self.down = linear_weight(shape.hidden, shape.intermediate, requires_grad=True)
        frequencies = 10000.0 ** (-torch.arange(0, shape.head_dim, 2) / shape.head_dim)
        angles = torch.outer(torch.arange(shape.tokens), frequencies)
        self.cos, self.sin = angles.cos(), angles.sin()  # [T, D/2]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[T, H] -> [T, H]"""
        x = x + self.attention(F.rms_norm(x, x.shape[-1:], self.norms[0], 1e-5))
        h = F.rms_norm(x, x.shape[-1:], self.norms[1], 1e-5)
        return x + (F.silu(h @ self.gate.T) * (h @ self.up.T)) @ self.down.T

    def attention(self, x: torch.Tensor) -> torch.Tensor:
        heads = [
            (x @ w.T).view(1, x.shape[0], -1, self.shape.head_dim).transpose(1, 2)
            for w in (self.q, self.k, self.v)
        ]
        q, k, v = self.rotate(heads[0]), self.rotate(heads[1]), heads[2]  # [1, heads, T, D]
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return out.transpose(1, 2).reshape(x.shape[0], -1) @ self.o.T

    def rotate(self, x: torch.Tensor) -> torch.Tensor:
        first, second = x.chunk(2, -1)
        return torch.cat([first * self.cos - second * self.sin, second * self.cos + first * self.sin], -1)


def forward_case(shape: Shape) -> Case:
    def set_up():
        block, x = Block(shape), torch.randn(shape.tokens, shape.hidden)
        return torch.inference_mode()(lambda: block.forward(x))

    return f"block-forward/{shape.name}", set_up


def backward_case(shape: Shape) -> Case:
    def set_up():
        block = Block(shape)
        x, dy = (torch.randn(shape.tokens, shape.hidden) for _ in range(2))
        x.requires_grad_()
        return lambda: torch.autograd.grad(block.forward(x), [x, block.gate, block.up, block.down], dy)

    return f"block-backward/{shape.name}", set_up


if __name__ == "__main__":
    take_turns([case(shape) for shape in SHAPES for case in (forward_case, backward_case)])
