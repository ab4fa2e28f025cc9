"""Losses and MLP neuron scores in float64, straight from their formulas.

Shapes: T tokens of one sample, V vocabulary, H hidden, F intermediate. A score has shape [F], higher means
keep.
"""

from collections.abc import Callable

import torch

from float64_llama import Float64Llama, Trace

Loss = Callable[[torch.Tensor, list[int]], torch.Tensor]


def cross_entropy(logits: torch.Tensor, ids: list[int]) -> torch.Tensor:
    """Next-token cross-entropy, mean over the T - 1 predictions."""
    log_q = torch.log_softmax(logits[:-1], -1)
    return -log_q[torch.arange(len(ids) - 1), torch.tensor(ids[1:])].mean()


def distillation(logits: torch.Tensor, teacher_logits: torch.Tensor, tau: float) -> torch.Tensor:
    """KL(teacher at temperature tau || student), mean over all T positions. The student is not tempered."""
    log_p = torch.log_softmax(teacher_logits.detach() / tau, -1)
    return (log_p.exp() * (log_p - torch.log_softmax(logits, -1))).sum(-1).mean()


def entropy(logits: torch.Tensor, ids: list[int]) -> torch.Tensor:
    """Entropy of the prediction, mean over all T positions. `ids` is only there to be a `Loss`."""
    log_q = torch.log_softmax(logits, -1)
    return -(log_q.exp() * log_q).sum(-1).mean()


def blend(teacher: Float64Llama, alpha: float, tau: float) -> Loss:
    """(1 - alpha) * cross-entropy + alpha * distillation from `teacher`."""

    def loss(logits: torch.Tensor, ids: list[int]) -> torch.Tensor:
        with torch.no_grad():
            teacher_logits, _ = teacher.forward(ids)
        return (1 - alpha) * cross_entropy(logits, ids) + alpha * distillation(logits, teacher_logits, tau)

    return loss


def backward(model: Float64Llama, ids: list[int], loss: Loss) -> tuple[torch.Tensor, Trace]:
    """Runs one sample forward and backward; the gradients are in `model.weights[...].grad`."""
    for weight in model.weights.values():
        weight.grad = None
    logits, trace = model.forward(ids)
    value = loss(logits, ids)
    value.backward()
    return value.detach(), trace


def gradient_scores(
    model: Float64Llama, sequences: list[list[int]], loss: Loss
) -> tuple[list[torch.Tensor], list[float]]:
    """Sum over the samples of mean_h |g_down * w_down + g_up * w_up + g_gate * w_gate|; also the losses."""
    scores = [
        torch.zeros(model.mlp_weights(layer)[0].shape[0], dtype=torch.float64)
        for layer in range(model.num_layers)
    ]
    losses = []
    for ids in sequences:
        value, _ = backward(model, ids, loss)
        losses.append(value.item())
        for layer, score in enumerate(scores):
            gate, up, down = ((w.grad * w).detach() for w in model.mlp_weights(layer))
            score += (gate + up + down.T).abs().mean(1)
    return scores, losses


def magnitude_scores(model: Float64Llama) -> list[torch.Tensor]:
    """Norm of the neuron's weights in all three matrices together."""
    return [
        torch.sqrt((gate**2).sum(1) + (up**2).sum(1) + (down**2).sum(0)).detach()
        for gate, up, down in map(model.mlp_weights, range(model.num_layers))
    ]


@torch.no_grad()
def wanda_scores(model: Float64Llama, sequences: list[list[int]]) -> list[torch.Tensor]:
    """mean_h |w_down[h, n]| * root mean square of the neuron's activation over all calibration tokens."""
    traces = [model.forward(ids)[1] for ids in sequences]
    return [
        model.mlp_weights(layer)[2].abs().mean(0)
        * torch.cat([t.activations[layer] for t in traces]).square().mean(0).sqrt()
        for layer in range(model.num_layers)
    ]


def wanda_scores_propagated(
    model: Float64Llama, sequences: list[list[int]], width: int
) -> list[torch.Tensor]:
    """Wanda layer by layer: layer l is scored on inputs that come through the pruned layers before it."""
    scores: list[torch.Tensor] = []
    kept = [list(range(model.mlp_weights(layer)[0].shape[0])) for layer in range(model.num_layers)]
    for layer in range(model.num_layers):
        scores.append(wanda_scores(model.pruned(kept), sequences)[layer])
        kept[layer] = keep_best(scores[layer], width)
    return scores


def keep_best(score: torch.Tensor, width: int) -> list[int]:
    """Ascending indices of the `width` highest scores; of equal scores the lower index wins."""
    ranked = sorted(range(len(score)), key=lambda n: (-score[n].item(), n))
    margin = (score[ranked[width - 1]] - score[ranked[width]]) / score[ranked[width]]
    if margin < 1e-4:
        raise ValueError(
            f"keep_best: the cut at {width} has a relative margin of {margin:.1e}; float32 may differ."
        )
    return sorted(ranked[:width])
