"""Both stages of SDMPrune over random samples, on a Llama with random weights: Taylor scores of next-token
cross-entropy, the cut to 39 of 40 neurons, then scores of (1 - alpha) * CE + alpha * KL against the final hidden states
that the whole model put out in the first stage. Gradients reach the MLP weights alone; each layer's are reduced to
scores, summed in float64, and freed as soon as they are there. The student shares all other weights.

See peer.py for how it is run.
"""

import torch
import torch.nn.functional as F

from mlp import neuron_score
from peer import MODEL_SHAPES, Case, ModelShape, PreparedCase, linear_weight, take_turns

ALPHA, TAU = 0.4, 0.2
WARM_UP_TOKENS = 128


class Layer:
    def __init__(self, shape: ModelShape, dtype: torch.dtype):
        attention, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
        self.shape = shape
        self.norms = [torch.ones(shape.hidden, dtype=dtype) for _ in range(2)]
        self.q, self.k, self.v = (linear_weight(rows, shape.hidden).to(dtype) for rows in (attention, kv, kv))
        self.o = linear_weight(shape.hidden, attention).to(dtype)
        self.gate, self.up = (linear_weight(shape.intermediate, shape.hidden).to(dtype) for _ in range(2))
        self.down = linear_weight(shape.hidden, shape.intermediate).to(dtype)

    def kept(self, neurons: torch.Tensor) -> "Layer":
        """The same layer with fewer neurons."""
        student = object.__new__(Layer)
        student.__dict__.update(self.__dict__)
        student.gate, student.up = (w.detach()[neurons] for w in (self.gate, self.up))
        student.down = self.down.detach()[:, neurons].contiguous()
        return student

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        """[T, H] -> [T, H]"""
        h = F.rms_norm(x, x.shape[-1:], self.norms[0], 1e-5)
        q, k, v = (
            (h @ w.T).view(1, x.shape[0], -1, self.shape.head_dim).transpose(1, 2)
            for w in (self.q, self.k, self.v)
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)  # [1, heads, T, D]
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + out.transpose(1, 2).reshape(x.shape[0], -1) @ self.o.T
        h = F.rms_norm(x, x.shape[-1:], self.norms[1], 1e-5)
        return x + (F.silu(h @ self.gate.T) * (h @ self.up.T)) @ self.down.T

    def score_into(self, scores: torch.Tensor) -> list:
        """Adds every backward pass's scores to `scores`, [F] float64; returns the hooks."""
        weights = (self.gate, self.up, self.down)

        def hook(_: torch.Tensor) -> None:
            if any(w.grad is None for w in weights):
                return
            with torch.no_grad():
                scores.add_(neuron_score(weights, tuple(w.grad for w in weights)).double())
            for w in weights:
                w.grad = None

        return [w.requires_grad_().register_post_accumulate_grad_hook(hook) for w in weights]


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    first, second = x.chunk(2, -1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


class Model:
    def __init__(self, shape: ModelShape, dtype: torch.dtype):
        self.shape, self.dtype = shape, dtype
        self.embedding = linear_weight(shape.vocab, shape.hidden).to(dtype)
        self.norm = torch.ones(shape.hidden, dtype=dtype)
        self.layers = [Layer(shape, dtype) for _ in range(shape.layers)]
        frequencies = 10000.0 ** (-torch.arange(0, shape.head_dim, 2) / shape.head_dim)
        angles = torch.outer(torch.arange(shape.tokens), frequencies)
        self.cos, self.sin = angles.cos().to(dtype), angles.sin().to(dtype)  # [T, D/2]

    def kept(self, neurons: list[torch.Tensor]) -> "Model":
        student = object.__new__(Model)
        student.__dict__.update(self.__dict__)
        student.layers = [layer.kept(n) for layer, n in zip(self.layers, neurons)]
        return student

    def final_hidden(self, ids: torch.Tensor) -> torch.Tensor:
        """[T] -> [T, H]"""
        x = self.embedding[ids]
        for layer in self.layers:
            x = layer.forward(x, self.cos[: len(ids)], self.sin[: len(ids)])
        return F.rms_norm(x, x.shape[-1:], self.norm, 1e-5)

    def scores(self, samples: list[torch.Tensor], loss_of) -> list[torch.Tensor]:
        """Per layer [F], float64. `loss_of(index, ids, final hidden states, logits)` is the loss of a sample."""
        scores = [torch.zeros(layer.gate.shape[0], dtype=torch.float64) for layer in self.layers]
        hooks = [hook for layer, s in zip(self.layers, scores) for hook in layer.score_into(s)]
        for index, ids in enumerate(samples):
            hidden = self.final_hidden(ids)
            loss_of(index, ids, hidden, (hidden @ self.embedding.T).float()).backward()
        for hook in hooks:
            hook.remove()
        return scores


def both_stages(model: Model, samples: list[torch.Tensor]) -> None:
    teacher: list[torch.Tensor] = []

    def cross_entropy(_: int, ids: torch.Tensor, hidden: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        teacher.append(hidden.detach())
        return F.cross_entropy(logits[:-1], ids[1:])

    def blend(index: int, ids: torch.Tensor, _: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            target = F.softmax((teacher[index] @ model.embedding.T).float() / TAU, -1)
        log_q = F.log_softmax(logits, -1)
        ce = F.nll_loss(log_q[:-1], ids[1:])
        return (1 - ALPHA) * ce + ALPHA * F.kl_div(log_q, target, reduction="sum") / len(ids)

    taylor = model.scores(samples, cross_entropy)
    width = 39 * model.shape.intermediate // 40
    student = model.kept([s.topk(width).indices.sort().values for s in taylor])
    student.scores(samples, blend)


def case(shape: ModelShape, dtype: torch.dtype) -> Case:
    def set_up() -> PreparedCase:
        model = Model(shape, dtype)
        samples = [torch.randint(shape.vocab, (shape.tokens,)) for _ in range(shape.samples)]
        warm_up = [samples[0][:WARM_UP_TOKENS]]
        return PreparedCase(run=lambda: both_stages(model, samples), warm_up=lambda: both_stages(model, warm_up))

    return f"importance/{shape.name}", set_up


if __name__ == "__main__":
    take_turns(lambda dtype: [case(shape, dtype) for shape in MODEL_SHAPES])
