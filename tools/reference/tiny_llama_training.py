"""Trains the seeded tiny Llama checkpoints with PyTorch and peft, for packages/lora.

    python tiny_llama_training.py  ->  packages/lora/test/fixtures

Four runs of 50 steps: LoRA and all parameters, by cross-entropy and by distillation, dropout 0, two sequences of
unequal length a step as two micro-batches whose gradients are those of the mean over all target tokens, AdamW of
torch, clipping at 1, cosine schedule of transformers with 5 steps of warm-up. Writes the loss curves, and the final
tensors in safetensors files. The start of the adapters, the data and the adapter that peft itself saved are written too.
"""

import json
import math
from pathlib import Path

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import LlamaForCausalLM, get_cosine_schedule_with_warmup

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "packages" / "test-utils" / "fixtures"
OUT = ROOT / "packages" / "lora" / "test" / "fixtures"

SEED = 20250613
STEPS = 50
VOCAB = 97
SETTINGS = {"learning_rate": 5e-3, "weight_decay": 0.05, "warmup_steps": 5, "max_grad_norm": 1.0}
LORA = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]}
KD = {"alpha": 0.6, "tau": 2.0}


def sequences() -> list[dict]:
    generator = torch.Generator().manual_seed(SEED)
    rows = []
    for i in range(8):
        length = 12 + 5 * (i % 4)
        ids = torch.randint(3, VOCAB, (length,), generator=generator).tolist()
        prompt = 1 + 3 * (i % 3)
        rows.append({"ids": ids, "labels": [-100] * prompt + ids[prompt:]})
    return rows


def load(name: str) -> LlamaForCausalLM:
    return LlamaForCausalLM.from_pretrained(MODELS / name, dtype=torch.float32).eval()


def train(model, parameters, teacher, rows) -> list[float]:
    decayed = [p for p in parameters if p.ndim > 1]
    plain = [p for p in parameters if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": SETTINGS["weight_decay"]}]
    if plain:
        groups.append({"params": plain, "weight_decay": 0.0})
    optimizer = torch.optim.AdamW(groups, lr=SETTINGS["learning_rate"], betas=(0.9, 0.999), eps=1e-8)
    schedule = get_cosine_schedule_with_warmup(optimizer, SETTINGS["warmup_steps"], STEPS)
    curve = []
    for step in range(STEPS):
        chosen = [rows[(2 * step + i) % len(rows)] for i in range(2)]
        total = sum(sum(label >= 0 for label in row["labels"][1:]) for row in chosen)
        loss_sum = 0.0
        for row in chosen:
            ids = torch.tensor([row["ids"]])
            labels = torch.tensor(row["labels"])[1:]
            logits = model(input_ids=ids).logits[0, :-1].float()
            keep = labels >= 0
            log_q = torch.log_softmax(logits[keep], dim=-1)
            loss = -log_q.gather(1, labels[keep][:, None]).sum()
            if teacher is not None:
                with torch.no_grad():
                    taught = teacher(input_ids=ids).logits[0, :-1].float()[keep] / KD["tau"]
                    log_p = torch.log_softmax(taught, dim=-1)
                kl = (log_p.exp() * (log_p - log_q)).sum()
                loss = (1 - KD["alpha"]) * loss + KD["alpha"] * kl
            (loss / total).backward()
            loss_sum += loss.item()
        torch.nn.utils.clip_grad_norm_(parameters, SETTINGS["max_grad_norm"])
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        curve.append(loss_sum / total)
    return curve


def plain_name(name: str) -> str:
    return name.removeprefix("base_model.model.").replace(".default", "")


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    rows = sequences()
    fixture = {
        "script": "tools/reference/tiny_llama_training.py",
        "seed": SEED,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__},
        "settings": {**SETTINGS, "steps": STEPS, "lora": LORA, "kd": KD},
        "sequences": rows,
        "runs": {},
    }
    tensors = {}
    for mode in ("lora", "full"):
        for loss in ("ce", "kd"):
            model = load("tiny-llama-tied")
            # Distillation is from another model of the same vocabulary.
            teacher = load("tiny-llama") if loss == "kd" else None
            if mode == "lora":
                torch.manual_seed(SEED + 1)
                model = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, **LORA))
                if loss == "ce":
                    for name, p in model.named_parameters():
                        if p.requires_grad:
                            tensors[f"start/{plain_name(name)}"] = p.detach().clone()
            parameters = [p for p in model.parameters() if p.requires_grad]
            fixture["runs"][f"{mode}-{loss}"] = {"loss": train(model, parameters, teacher, rows)}
            for name, p in model.named_parameters():
                if p.requires_grad:
                    tensors[f"{mode}-{loss}/{plain_name(name)}"] = p.detach().clone()
            if mode == "lora" and loss == "ce":
                model.save_pretrained(OUT / "peft-adapter")
                (OUT / "peft-adapter" / "README.md").unlink(missing_ok=True)
                ids = torch.tensor([rows[3]["ids"]])
                with torch.no_grad():
                    fixture["adapter_logits"] = {"ids": rows[3]["ids"], "values": model(input_ids=ids).logits[0].flatten().tolist()}
    # The base of a local folder is a path of this machine.
    config = OUT / "peft-adapter" / "adapter_config.json"
    saved = json.loads(config.read_text())
    saved["base_model_name_or_path"] = "tiny-llama-tied"
    config.write_text(json.dumps(saved, indent=2) + "\n")
    save_file(tensors, OUT / "tiny-llama-training.safetensors")
    (OUT / "tiny-llama-training.json").write_text(json.dumps(fixture) + "\n")
    print({name: (run["loss"][0], run["loss"][-1]) for name, run in fixture["runs"].items()})


if __name__ == "__main__":
    main()
