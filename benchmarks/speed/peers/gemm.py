"""y = x W^T in float32: x [N, I], W [O, I]. A case is named NxIxO. See peer.py for how it is run."""

import torch

from peer import Case, linear_weight, take_turns

SIZES = [(512, 2048, 8192), (1024, 576, 1536)]


def case(rows: int, inputs: int, outputs: int) -> Case:
    def set_up():
        x, weight = torch.randn(rows, inputs), linear_weight(outputs, inputs)
        return torch.inference_mode()(lambda: x @ weight.T)

    return f"gemm/{rows}x{inputs}x{outputs}", set_up


if __name__ == "__main__":
    take_turns([case(*size) for size in SIZES])
