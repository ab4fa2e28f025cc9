"""Writes what compensation makes of the tiny Llama, computed in float64 with least squares of its own.

    python compensation.py     (after tiny_llama_scores.py)
        ->  packages/recipes/test/fixtures/tiny-llama-compensation.json

The neurons kept are those of `taylor` in tiny-llama-scores.json, its sequences the calibration text.
Keys, each with one entry per layer:
  ridge.down       columns of the kept neurons, [H, k]: the solution of the stacked system [A_k; sqrt(l) I] W'^T = [Y; 0]
                   with l = lambda * mean(diag(A A^T)), by numpy.linalg.lstsq
  bias             W[:, removed] @ mean(a[removed]), [H]
  relativeRmse     of the layer's output, computed from outputs: before, ridge, bias
"""

import json

import numpy as np
import torch

from float64_llama import Float64Llama
from tiny_llama import FIXTURES
from tiny_llama_scores import OUTPUT, tensor_json

MODEL, LAMBDA = "tiny-llama", 0.01
PATH = FIXTURES.parents[1] / "recipes" / "test" / "fixtures" / f"{MODEL}-compensation.json"


def main() -> None:
    scores = json.loads((OUTPUT / f"{MODEL}-scores.json").read_text())
    model = Float64Llama.load(FIXTURES / MODEL)
    with torch.no_grad():
        traces = [model.forward(ids)[1].activations for ids in scores["sequences"]]
    result = {
        "generator": "tools/reference/compensation.py",
        "versions": {"numpy": np.__version__, "torch": torch.__version__},
        "model": MODEL,
        "lambda": LAMBDA,
        "kept": scores["kept"]["taylor"],
        "ridge": [],
        "bias": [],
        "relativeRmse": [],
    }
    for layer, kept in enumerate(result["kept"]):
        a = torch.cat([trace[layer] for trace in traces]).numpy()  # [N, F]
        w = model.mlp_weights(layer)[2].detach().numpy()  # [H, F]
        removed = [n for n in range(a.shape[1]) if n not in kept]
        y = a @ w.T
        penalty = LAMBDA * (a * a).sum(0).mean()
        stacked = np.vstack([a[:, kept], np.sqrt(penalty) * np.eye(len(kept))])
        ridge = np.linalg.lstsq(stacked, np.vstack([y, np.zeros((len(kept), w.shape[0]))]), rcond=None)[0].T
        bias = w[:, removed] @ a[:, removed].mean(0)
        cut = a[:, kept] @ w[:, kept].T
        outputs = {"before": cut, "ridge": a[:, kept] @ ridge.T, "bias": cut + bias}
        result["ridge"].append(tensor_json(torch.tensor(ridge), 10))
        result["bias"].append(tensor_json(torch.tensor(bias), 10))
        rmse = {name: float(np.linalg.norm(out - y) / np.linalg.norm(y)) for name, out in outputs.items()}
        result["relativeRmse"].append(rmse)
    PATH.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in result.items())
    PATH.write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main()
