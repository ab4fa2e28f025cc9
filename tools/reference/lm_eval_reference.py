"""Scores requests with the HFLM of lm-evaluation-harness in float32, one JSON result per request.

    sdmprune eval --tasks arc_easy --data-dir DATA --limit 20 --dump-requests requests.jsonl
    python lm_eval_reference.py CHECKPOINT requests.jsonl results.jsonl [--add-bos] [--batch-size N]

A request is `[context, continuation]`, or `[text]` for a whole text. A result is `[logprob, is_greedy]`, or
`[logprob]` for a whole text. The last line says with which versions it was made and how long it took.
Needs its own environment: see requirements-lm-eval.txt.
"""

import argparse
import json
import time
from importlib.metadata import version
from pathlib import Path

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM


def load(checkpoint: Path, batch_size: int, add_bos: bool, max_length: int | None) -> HFLM:
    return HFLM(
        pretrained=str(checkpoint),
        dtype="float32",
        device="cpu",
        batch_size=batch_size,
        add_bos_token=add_bos,
        max_length=max_length,
    )


def versions() -> dict[str, str]:
    return {name: version(name) for name in ("lm_eval", "transformers", "tokenizers", "torch")}


def score(lm: HFLM, requests: list[list[str]]) -> list[list]:
    """Results in the order of the requests, which are all of one kind."""
    kind = "loglikelihood_rolling" if len(requests[0]) == 1 else "loglikelihood"
    instances = [Instance(kind, {}, tuple(arguments), i) for i, arguments in enumerate(requests)]
    results = getattr(lm, kind)(instances, disable_tqdm=True)
    return [list(result) if isinstance(result, tuple) else [result] for result in results]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("requests", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--add-bos", action="store_true")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--max-length", type=int)
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    requests = [json.loads(line) for line in args.requests.read_text(encoding="utf-8").splitlines()]
    lm = load(args.checkpoint, args.batch_size, args.add_bos, args.max_length)
    start = time.perf_counter()
    results = score(lm, requests)
    seconds = time.perf_counter() - start
    header = {"versions": versions(), "addBos": args.add_bos, "seconds": round(seconds, 2)}
    with args.results.open("w", encoding="utf-8") as file:
        for line in [*results, header]:
            file.write(json.dumps(line) + "\n")
    print(f"{len(requests)} requests in {seconds:.1f} s")


if __name__ == "__main__":
    main()
