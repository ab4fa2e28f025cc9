"""Tokens per second of LoRA training with PEFT in float32, the peer of `sdmprune train` on the same cores.

    python lora_speed.py MODEL [--length 1024] [--sequences 1] [--steps 4] [--threads 2]

One sequence a step of random ids, or a batch of equal ones that have `--length` tokens together; rank 8, alpha 16, dropout 0.05,
all seven linear layers, AdamW, gradients clipped to 1: what `sdmprune train MODEL --lora --max-length 1024 --grad-accum 1` does.
Prints a line a step, and the peak resident memory.
"""

import argparse
import resource
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--sequences", type=int, default=1)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config = LoraConfig(
        task_type="CAUSAL_LM", r=8, lora_alpha=16, lora_dropout=0.05, target_modules=TARGETS
    )
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32), config)
    model.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.05)
    generator = torch.Generator().manual_seed(0)
    shape = (args.sequences, args.length // args.sequences)
    for _ in range(args.steps):
        ids = torch.randint(0, model.config.vocab_size, shape, generator=generator)
        start = time.perf_counter()
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        print(f"peft {ids.numel() / (time.perf_counter() - start):.1f} tokens/s", flush=True)
    print(f"peft peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
