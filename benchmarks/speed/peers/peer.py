"""What the PyTorch peers share: the turn-taking with the runner, and the model shapes.

    python gemm.py REPETITIONS [--threads 2] [--only NAME]...

A peer goes through its cases in order and through the repetitions of each. Before every repetition it waits
for a line on stdin; then it runs and prints {"name": ..., "ms": ...}. So a runner that asks its peers in turn
times them interleaved, under the same load, one at a time. A case is set up and run twice untimed after the
first line asks for it. The peer ends at end of input.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

WARM_UP_RUNS = 2


@dataclass(frozen=True)
class Shape:
    """One decoder layer and the number of tokens to run it on."""

    name: str
    tokens: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int


SHAPES = [
    Shape("smollm2-135m", tokens=1024, hidden=576, intermediate=1536, heads=9, kv_heads=3, head_dim=64),
    Shape("llama-3.2-1b", tokens=512, hidden=2048, intermediate=8192, heads=32, kv_heads=8, head_dim=64),
]

Case = tuple[str, Callable[[], Callable[[], object]]]  # name, and a set-up that returns the function to time


def linear_weight(rows: int, columns: int, requires_grad: bool = False) -> torch.Tensor:
    """A random weight [rows, columns] that keeps the scale of its input."""
    return (torch.randn(rows, columns) / columns**0.5).requires_grad_(requires_grad)


def take_turns(cases: list[Case]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("repetitions", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", action="append", help="run the case of this name; may be repeated")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    unknown = set(args.only or []) - {name for name, _ in cases}
    if unknown:
        known = ", ".join(name for name, _ in cases)
        parser.error(f"--only: expected one of {known}, got {', '.join(sorted(unknown))}.")
    for name, set_up in cases:
        if args.only and name not in args.only:
            continue
        run = None
        for _ in range(args.repetitions):
            if not sys.stdin.readline():
                return
            if run is None:
                run = set_up()
                for _ in range(WARM_UP_RUNS):
                    run()
            start = time.perf_counter()
            run()
            print(json.dumps({"name": name, "ms": 1000 * (time.perf_counter() - start)}), flush=True)
