"""Loads an adapter of `sdmprune train` and the checkpoint of `sdmprune merge` with peft and transformers.

    python check_adapter.py MODEL ADAPTER MERGED [LOGITS.json]

Prints the largest difference between the logits of the model with its adapter and of the merged checkpoint and, if LOGITS.json
(`{"ids": [...], "logits": [...]}`, row-major) is given, between peft's logits and those.
"""

import json
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM


def logits(model, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0].float()


def main(model: str, adapter: str, merged: str, reference: str | None = None) -> None:
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, base.config.vocab_size, (48,), generator=generator).tolist()
    given = json.load(open(reference)) if reference else None
    adapted = PeftModel.from_pretrained(base, adapter).eval()
    ids = given["ids"] if given else ids
    with_adapter = logits(adapted, ids)
    whole = AutoModelForCausalLM.from_pretrained(merged, dtype=torch.float32).eval()
    print("merged against adapter:", (logits(whole, ids) - with_adapter).abs().max().item())
    if given:
        ours = torch.tensor(given["logits"]).reshape(with_adapter.shape)
        print("ours against peft:", (ours - with_adapter).abs().max().item(), "of", with_adapter.abs().max().item())


if __name__ == "__main__":
    main(*sys.argv[1:])
