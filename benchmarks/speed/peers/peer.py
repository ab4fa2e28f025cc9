"""What the PyTorch peers share: the turn-taking with the runner, and the model shapes.

    python gemm.py REPETITIONS [--threads 2] [--dtype float32] [--only NAME]...

A peer goes through its cases in order and through the repetitions of each. Before every repetition it waits
for a line on stdin; then it runs and prints {"name": ..., "ms": ...}. So a runner that asks its peers in turn
times them interleaved, under the same load, one at a time. A case is set up and warmed up untimed after the
first line asks for it. The peer ends at end of input. The line also gives the most memory the program has had,
and for cases that ask for it the rate of the matrix product that bounds them.
"""

import argparse
import json
import resource
import statistics
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



@dataclass(frozen=True)
class ModelShape(Shape):
    """A whole model, and how many samples to run it on."""

    layers: int
    vocab: int
    samples: int


MODEL_SHAPES = [
    ModelShape(
        "demo", tokens=256, hidden=128, intermediate=640, heads=4, kv_heads=2, head_dim=32, layers=4, vocab=1024, samples=16
    ),
    ModelShape(
        "smollm2-135m", tokens=1024, hidden=576, intermediate=1536, heads=9, kv_heads=3, head_dim=64, layers=30, vocab=49152, samples=1
    ),
    ModelShape(
        "llama-3.2-1b", tokens=1024, hidden=2048, intermediate=8192, heads=32, kv_heads=8, head_dim=64, layers=16, vocab=128256, samples=2
    ),
]


@dataclass(frozen=True)
class PreparedCase:
    run: Callable[[], object]
    warm_up: Callable[[], object]
    """Once, in place of two untimed runs."""


Case = tuple[str, Callable[[], Callable[[], object] | PreparedCase]]  # name, and a set-up that returns what to time


def linear_weight(rows: int, columns: int, requires_grad: bool = False) -> torch.Tensor:
    """A random weight [rows, columns] that keeps the scale of its input."""
    return (torch.randn(rows, columns) / columns**0.5).requires_grad_(requires_grad)


def gemm_rate(rows: int, inputs: int, outputs: int, dtype: torch.dtype) -> float:
    """GFLOP/s of x W^T, median of 7."""
    x, weight = torch.randn(rows, inputs).to(dtype), linear_weight(outputs, inputs).to(dtype)
    seconds = []
    with torch.inference_mode():
        for _ in range(9):
            start = time.perf_counter()
            x @ weight.T
            seconds.append(time.perf_counter() - start)
    return 2e-9 * rows * inputs * outputs / statistics.median(seconds[2:])


def prepare(set_up: Callable[[], Callable[[], object] | PreparedCase]) -> Callable[[], object]:
    """Sets a case up and warms it up."""
    case = set_up()
    if isinstance(case, PreparedCase):
        case.warm_up()
        return case.run
    for _ in range(WARM_UP_RUNS):
        case()
    return case


def take_turns(cases: list[Case] | Callable[[torch.dtype], list[Case]]) -> None:
    """Runs the cases as they are asked for; those that a data type changes are given as a function of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("repetitions", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--gemm", type=int, nargs=3, metavar=("ROWS", "INPUTS", "OUTPUTS"), help="measure this product too")
    parser.add_argument("--only", action="append", help="run the case of this name; may be repeated")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    dtype = getattr(torch, args.dtype)
    cases = cases(dtype) if callable(cases) else cases
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
                rate = {"gemmGflops": gemm_rate(*args.gemm, dtype)} if args.gemm else {}
                run = prepare(set_up)
            start = time.perf_counter()
            run()
            ms = 1000 * (time.perf_counter() - start)
            peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(json.dumps({"name": name, "ms": ms, "peakBytes": peak, **rate}), flush=True)
