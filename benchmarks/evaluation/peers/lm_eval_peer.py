"""Times the `hf` model of lm-evaluation-harness in float32, by the protocol of benchmarks/speed/peers/peer.py.

    python lm_eval_peer.py MODEL REQUESTS REPETITIONS [--threads 2] --only TASK...

REQUESTS has a file TASK.jsonl per task, as `sdmprune eval --dump-requests` writes it. After the first line for a task, it
tries some batch sizes on every fourth request, and keeps the fastest for the repetitions: `{"name", "ms", "cpuMs", "detail"}`.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

BATCH_SIZES = (1, 4, 16)
SAMPLE = 4  # of so many requests one, to find the batch size
MAX_LOGITS_BYTES = 2**31


def times(lm: HFLM, requests: list[list[str]], batch_size: int) -> tuple[float, float]:
    """Seconds on the clock, and of all threads together."""
    kind = "loglikelihood_rolling" if len(requests[0]) == 1 else "loglikelihood"
    lm.batch_size_per_gpu = batch_size
    instances = [Instance(kind, {}, tuple(texts), i) for i, texts in enumerate(requests)]
    start, cpu = time.perf_counter(), time.process_time()
    getattr(lm, kind)(instances, disable_tqdm=True)
    return time.perf_counter() - start, time.process_time() - cpu


def best_batch_size(lm: HFLM, requests: list[list[str]]) -> int:
    if len(requests[0]) == 1:  # whole pages, one window each: there is nothing to batch
        return 1
    sample = requests[::SAMPLE]
    longest = max(len(lm.tok_encode("".join(texts))) for texts in sample)
    fitting = [b for b in BATCH_SIZES if 4 * b * longest * lm.model.config.vocab_size <= MAX_LOGITS_BYTES]
    times(lm, sample[:4], 1)  # warms up
    return min(fitting, key=lambda batch_size: times(lm, sample, batch_size)[1])  # the clock knows of other programs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("requests", type=Path)
    parser.add_argument("repetitions", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", action="append", required=True)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    lm = HFLM(pretrained=str(args.model), dtype="float32", device="cpu", batch_size=1, add_bos_token=True)
    for task in args.only:
        lines = (args.requests / f"{task}.jsonl").read_text(encoding="utf-8").splitlines()
        requests = [json.loads(line) for line in lines]
        batch_size = None
        for _ in range(args.repetitions):
            if not sys.stdin.readline():
                return
            batch_size = batch_size or best_batch_size(lm, requests)
            clock, cpu = times(lm, requests, batch_size)
            detail = f"batch size {batch_size}"
            turn = {"name": task, "ms": 1000 * clock, "cpuMs": 1000 * cpu, "detail": detail}
            print(json.dumps(turn), flush=True)


if __name__ == "__main__":
    main()
