"""Writes the reference scores of the criteria that are plugins, all computed in float64 on the tiny grouped-query Llama.

    python method_scores.py     (after tiny_llama.py)
        ->  plugins/{method-llm-pruner,importance-hfprune,importance-flap,importance-minitron}/test/fixtures/tiny-llama-scores.json

Keys of a file (neuron indices are 0-based, `kept` are ascending indices into the dense layer):
  sequences        4 token sequences of 24 ids: the calibration set; one sample each
  scores, kept     per variant of the criterion and layer, kept at `width`

LLM-Pruner's gradient is taken once, of the mean loss over the batch; the others go sample by sample.
"""

import json
from pathlib import Path

import torch

import neuron_scores as ns
from float64_llama import Float64Llama
from tiny_llama import FIXTURES
from tiny_llama_scores import LENGTH, NUM_SEQUENCES, SEED, WIDTH, keep, vectors_json

MODEL = "tiny-llama"
PLUGINS = FIXTURES.parents[2] / "plugins"

Scores = dict[str, list[torch.Tensor]]


def mlp_gradients(model: Float64Llama) -> list[list[torch.Tensor]]:
    return [[w.grad.clone() for w in model.mlp_weights(layer)] for layer in range(model.num_layers)]


def by_neuron(gate: torch.Tensor, up: torch.Tensor, down: torch.Tensor) -> list[torch.Tensor]:
    """The three matrices as [F, H]."""
    return [gate, up, down.T]


def llm_pruner(model: Float64Llama, sequences: list[list[int]]) -> Scores:
    for w in model.weights.values():
        w.grad = None
    torch.stack([ns.cross_entropy(model.forward(ids)[0], ids) for ids in sequences]).mean().backward()
    mean = mlp_gradients(model)
    each = []
    for ids in sequences:
        ns.backward(model, ids, ns.cross_entropy)
        each.append(mlp_gradients(model))
    scores: Scores = {"param_first": [], "param_second": [], "param_mix": [], "vectorize": []}
    for layer in range(model.num_layers):
        weights = [w.detach() for w in by_neuron(*model.mlp_weights(layer))]
        g = by_neuron(*mean[layer])
        acc = [sum(m * m for m in parts) / len(each) for parts in zip(*(by_neuron(*e[layer]) for e in each))]
        triples = list(zip(weights, g, acc, strict=True))
        scores["param_first"].append(sum((w * g).abs().sum(1) for w, g, _ in triples))
        scores["param_second"].append(sum((w * a * w).abs().sum(1) for w, _, a in triples))
        scores["param_mix"].append(sum((w * g - 0.5 * w * a * w).abs().sum(1) for w, g, a in triples))
        scores["vectorize"].append(sum((w * g).sum(1).abs() for w, g, _ in triples))
    return scores


def hfprune(model: Float64Llama, sequences: list[list[int]]) -> Scores:
    scores = [torch.zeros(model.mlp_weights(layer)[0].shape[0]).double() for layer in range(model.num_layers)]
    for ids in sequences:
        logits, trace = model.forward(ids)
        for activation in trace.activations:
            activation.retain_grad()
        ns.entropy(logits, ids).backward()
        for score, activation in zip(scores, trace.activations, strict=True):
            score += (activation * activation.grad).abs().sum(0).detach()
    return {"hfprune": scores}


@torch.no_grad()
def activations(model: Float64Llama, sequences: list[list[int]]) -> list[list[torch.Tensor]]:
    """Per layer, those of each sample, [T, F]."""
    traces = [model.forward(ids)[1].activations for ids in sequences]
    return [[trace[layer] for trace in traces] for layer in range(model.num_layers)]


@torch.no_grad()
def flap(model: Float64Llama, sequences: list[list[int]]) -> Scores:
    scores: Scores = {"WIFV": [], "IFV": [], "WIFN": [], "standardized": []}
    for layer, samples in enumerate(activations(model, sequences)):
        a, down = torch.cat(samples), model.mlp_weights(layer)[2]
        variance = a.var(0, correction=1)
        wifv = variance * down.square().sum(0)
        scores["WIFV"].append(wifv)
        scores["IFV"].append(variance)
        scores["WIFN"].append(down.abs().mean(0) * a.square().mean(0).sqrt())
        scores["standardized"].append((wifv - wifv.mean()) / wifv.std(correction=1))
    return scores


@torch.no_grad()
def minitron(model: Float64Llama, sequences: list[list[int]]) -> Scores:
    means = [[a.abs().mean(0) for a in samples] for samples in activations(model, sequences)]
    return {"minitron": [torch.stack(each).square().sum(0).sqrt() for each in means]}


def write(folder: str, sequences: list[list[int]], scores: Scores) -> None:
    result = {
        "generator": "tools/reference/method_scores.py",
        "versions": {"torch": torch.__version__},
        "model": MODEL,
        "seed": SEED,
        "dtype": "float64",
        "width": WIDTH,
        "sequences": sequences,
        "scores": {name: vectors_json(values) for name, values in scores.items()},
        # Standardised scores may be negative, where a margin cannot be relative; their order is that of WIFV.
        "kept": {name: keep(scores["WIFV"] if name == "standardized" else v) for name, v in scores.items()},
    }
    path: Path = PLUGINS / folder / "test" / "fixtures" / "tiny-llama-scores.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in result.items())
    path.write_text(f"{{\n{lines}\n}}\n")


def main() -> None:
    model = Float64Llama.load(FIXTURES / MODEL)
    rng = torch.Generator().manual_seed(SEED)
    sequences = torch.randint(3, model.config["vocab_size"], (NUM_SEQUENCES, LENGTH), generator=rng).tolist()
    write("method-llm-pruner", sequences, llm_pruner(model, sequences))
    write("importance-hfprune", sequences, hfprune(model, sequences))
    write("importance-flap", sequences, flap(model, sequences))
    write("importance-minitron", sequences, minitron(model, sequences))


if __name__ == "__main__":
    main()
