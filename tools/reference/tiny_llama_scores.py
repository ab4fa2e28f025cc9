"""Writes the reference scores of the tiny Llamas, all computed in float64.

    python tiny_llama_scores.py     (after tiny_llama.py)
        ->  packages/importance/test/fixtures/tiny-llama-scores.json, tiny-llama-tied-scores.json

Keys of a file (neuron indices are 0-based, `kept` are ascending indices into the dense layer):
  sequences        4 token sequences of 24 ids: the calibration set; one sample each
  logits           of sequence 0, [24, 97]
  losses           per sequence: crossEntropy, entropy; blend = the dense model as its own teacher
  scores, kept     per criterion and layer, kept at `width`; selfDistillation = one stage from the dense
                   model; wandaPropagated = each layer scored behind the pruned layers before it
  sdmprune         the two stages: stage1 keeps firstStageWidth by taylor; stage2 scores that student (its
                   neurons in the order of stage1.kept) against the dense teacher and keeps `width`
  gradients        of sequence 0: crossEntropy (every weight), blend (dense against itself, MLP weights);
                   embeddingOutput is the gradient at the input of layer 0
  greedy           continuation of a prompt without a cache
"""

import json
import math
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM

import neuron_scores as ns
from float64_llama import Float64Llama
from tiny_llama import FIXTURES

OUTPUT = FIXTURES.parents[1] / "importance" / "test" / "fixtures"
SEED, NUM_SEQUENCES, LENGTH = 7, 4, 24
WIDTH, ALPHA, TAU = 32, 0.4, 0.2


def tensor_json(t: torch.Tensor, digits: int = 9) -> dict:
    values = [float(f"{v:.{digits}g}") for v in t.detach().flatten().tolist()]
    return {"shape": list(t.shape), "values": values}


def vectors_json(vectors: list[torch.Tensor]) -> list[list[float]]:
    return [tensor_json(v, 12)["values"] for v in vectors]


def keep(scores: list[torch.Tensor], width: int = WIDTH) -> list[list[int]]:
    return [ns.keep_best(score, width) for score in scores]


def gradients(model: Float64Llama, ids: list[int], loss: ns.Loss, names: list[str]) -> dict:
    value, trace = ns.backward(model, ids, loss)
    return {
        "loss": value.item(),
        "embeddingOutput": tensor_json(trace.embedding_output.grad),
        "weights": {name: tensor_json(model.weights[name].grad) for name in names},
    }


@torch.no_grad()
def greedy(model: Float64Llama, prompt: list[int], num_tokens: int) -> list[int]:
    ids = list(prompt)
    for _ in range(num_tokens):
        best = model.forward(ids)[0][-1].topk(2)
        if best.values[0] - best.values[1] < 1e-3:
            raise ValueError("greedy: two tokens are nearly tied; choose another prompt.")
        ids.append(best.indices[0].item())
    return ids[len(prompt) :]


def check_against_transformers(folder: Path, model: Float64Llama, sequences: list[list[int]]) -> float:
    stock = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        worst = max(
            (stock(torch.tensor([ids])).logits[0] - model.forward(ids)[0]).abs().max().item()
            for ids in sequences
        )
    if worst > 2e-5:
        raise ValueError(
            f"{folder.name}: logits differ from transformers by {worst:.1e}, more than float32 explains."
        )
    return worst


def reference(folder: Path) -> dict:
    model = Float64Llama.load(folder)
    rng = torch.Generator().manual_seed(SEED)
    sequences = torch.randint(3, model.config["vocab_size"], (NUM_SEQUENCES, LENGTH), generator=rng).tolist()
    difference = check_against_transformers(folder, model, sequences)
    print(f"{folder.name}: float64 and transformers differ by at most {difference:.1e}")

    blend = ns.blend(model, ALPHA, TAU)
    taylor, ce = ns.gradient_scores(model, sequences, ns.cross_entropy)
    distilled, blended = ns.gradient_scores(model, sequences, blend)
    entropy_scores, entropies = ns.gradient_scores(model, sequences, ns.entropy)
    scores = {
        "taylor": taylor,
        "selfDistillation": distilled,
        "entropy": entropy_scores,
        "magnitude": ns.magnitude_scores(model),
        "wanda": ns.wanda_scores(model, sequences),
        "wandaPropagated": ns.wanda_scores_propagated(model, sequences, WIDTH),
    }

    first_width = math.floor(0.975 * model.config["intermediate_size"])
    first_kept = keep(taylor, first_width)
    stage2, stage2_losses = ns.gradient_scores(model.pruned(first_kept), sequences, blend)
    final = [[first[i] for i in second] for first, second in zip(first_kept, keep(stage2), strict=True)]

    prompt = sequences[0][:8]
    mlp_names = [name for layer in range(model.num_layers) for name in model.mlp_names(layer)]
    return {
        "generator": "tools/reference/tiny_llama_scores.py",
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "model": folder.name,
        "seed": SEED,
        "dtype": "float64",
        "width": WIDTH,
        "alpha": ALPHA,
        "tau": TAU,
        "sequences": sequences,
        "logits": tensor_json(model.forward(sequences[0])[0]),
        "losses": {"crossEntropy": ce, "blend": blended, "entropy": entropies},
        "scores": {name: vectors_json(values) for name, values in scores.items()},
        "kept": {name: keep(values) for name, values in scores.items()},
        "sdmprune": {
            "firstStageWidth": first_width,
            "stage1": {"scores": vectors_json(taylor), "kept": first_kept},
            "stage2": {"losses": stage2_losses, "scores": vectors_json(stage2), "kept": final},
        },
        "gradients": {
            "crossEntropy": gradients(model, sequences[0], ns.cross_entropy, list(model.weights)),
            "blend": gradients(model, sequences[0], blend, mlp_names),
        },
        "greedy": {"prompt": prompt, "continuation": greedy(model, prompt, 20)},
    }


def main() -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for name in ("tiny-llama", "tiny-llama-tied"):
        result = reference(FIXTURES / name)
        lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in result.items())
        (OUTPUT / f"{name}-scores.json").write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
