"""The gated MLP of a Llama layer in float32: forward, backward (input and all three weights) and the
SDMPrune score of its neurons, mean_h |g_down * w_down + g_up * w_up + g_gate * w_gate|.

See peer.py for how it is run.
"""

import torch
import torch.nn.functional as F

from peer import SHAPES, Case, Shape, linear_weight, take_turns


NEURONS_PER_TILE = 256  # the products of a tile stay in cache; 3 times as fast as whole matrices


def neuron_score(weights: tuple[torch.Tensor, ...], gradients: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """[F] from gate, up [F, H] and down [H, F]."""
    gate, up, down = weights
    d_gate, d_up, d_down = gradients
    scores = []
    for start in range(0, gate.shape[0], NEURONS_PER_TILE):
        n = slice(start, start + NEURONS_PER_TILE)
        salience = (d_up[n] * up[n]).addcmul_(d_gate[n], gate[n])  # [tile, H]
        salience.add_((d_down[:, n] * down[:, n]).T)
        scores.append(torch.linalg.vector_norm(salience, 1, dim=1))
    return torch.cat(scores) / gate.shape[1]


def case(shape: Shape) -> Case:
    def set_up():
        gate, up = (linear_weight(shape.intermediate, shape.hidden, requires_grad=True) for _ in range(2))
        down = linear_weight(shape.hidden, shape.intermediate, requires_grad=True)
        x, dy = (torch.randn(shape.tokens, shape.hidden) for _ in range(2))
        x.requires_grad_()

        def run():
            y = (F.silu(x @ gate.T) * (x @ up.T)) @ down.T
            _, d_gate, d_up, d_down = torch.autograd.grad(y, [x, gate, up, down], dy)
            with torch.no_grad():
                return neuron_score((gate, up, down), (d_gate, d_up, d_down))

        return run

    return f"mlp-score/{shape.name}", set_up


if __name__ == "__main__":
    take_turns([case(shape) for shape in SHAPES])
