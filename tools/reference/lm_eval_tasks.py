"""Runs lm-evaluation-harness itself, in float32, on tasks whose data are in a local folder, and writes what it found.

    python lm_eval_tasks.py CHECKPOINT DATA OUTPUT [--tasks a,b] [--limit N] [--batch-size N]
        stories260K: ->  packages/evaluation/test/fixtures/stories260k-lm-eval.json

Task files, prompts, scoring and metrics are lm-eval's. Written are numbers only, document by document, with the hash of
the requests (one JSON array of arguments per line, as `sdmprune eval --dump-requests` writes them) that they answer.
BOS is added, as SDMPrune's evaluation does. Needs its own environment: see requirements-lm-eval.txt.
"""

import argparse
import hashlib
import json
import time
from pathlib import Path

import lm_eval
import torch
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from lm_eval_reference import load, versions
from local_hub_data import TASKS, serve

METRICS = ("acc", "acc_norm", "likelihood_diff", "pct_stereotype")
NUM_PAGES = 10  # of wikitext, whose documents are long


def run_task(lm: HFLM, manager: TaskManager, task: str, limit: int) -> dict:
    start = time.perf_counter()
    output = lm_eval.simple_evaluate(
        lm, tasks=[task], limit=limit, bootstrap_iters=0, task_manager=manager
    )
    seconds = time.perf_counter() - start
    samples = sorted(output["samples"][task], key=lambda sample: sample["doc_id"])
    digest = hashlib.sha256()
    documents = []
    for sample in samples:
        for arguments in sample["arguments"]:
            digest.update((json.dumps(arguments, ensure_ascii=False, separators=(",", ":")) + "\n").encode())
        responses = [response for (response,) in sample["resps"]]
        documents.append(
            {
                "responses": [
                    round(r, 6) if isinstance(r, float) else [round(r[0], 6), r[1]] for r in responses
                ],
                **{metric: sample[metric] for metric in METRICS if metric in sample},
            }
        )
    results = output["results"][task]
    print(f"{task}: {len(documents)} documents in {seconds:.1f} s", flush=True)
    return {
        "limit": limit,
        "requestsSha256": digest.hexdigest(),
        "metrics": {
            key.split(",")[0]: value
            for key, value in results.items()
            if isinstance(value, float) and "_stderr" not in key
        },
        "documents": documents,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    serve(args.data)
    lm = load(args.checkpoint, args.batch_size, add_bos=True, max_length=None)
    manager = TaskManager()
    tasks = {
        task: run_task(lm, manager, task, min(args.limit, NUM_PAGES) if task == "wikitext" else args.limit)
        for task in args.tasks.split(",")
    }
    header = {
        "generator": "tools/reference/lm_eval_tasks.py",
        "versions": versions(),
        "model": args.checkpoint.name,
        "addBos": True,
    }
    args.output.write_text(json.dumps({**header, "tasks": tasks}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
