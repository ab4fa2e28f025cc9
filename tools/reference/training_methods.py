"""Writes reference runs of the two methods that train while they prune, on the tiny Llama, in float64.

    python training_methods.py     (after tiny_llama.py)
        ->  plugins/method-lora-prune/test/fixtures/tiny-llama-lora-prune.json
            plugins/method-compresso/test/fixtures/tiny-llama-compresso.json

Written from the formulas with autograd and torch.optim.AdamW; it shares no code with the TypeScript. A file holds everything
random (first values of the adapters, of log_alpha, the uniforms of every step), so that the same steps can be run again:
  sequences    token ids; step t (from 1) trains on sequence (t - 1) % 4, one micro-batch
  options      of the run
  initialA     adapters by layer name, lora_A [r, I]; lora_B starts as zeros
  losses       cross-entropy of every step, before its update
  importance   of lora-prune: a criterion's scores, without any training
  final        adapters (lora_A, lora_B), scores or log_alpha and multipliers, kept neurons (ascending)
"""

import json
import math
from pathlib import Path

import torch

from float64_llama import Float64Llama
from neuron_scores import cross_entropy
from tiny_llama import FIXTURES

PLUGINS = FIXTURES.parents[2] / "plugins"
MODEL = "tiny-llama"
SEED, NUM_SEQUENCES, LENGTH = 11, 4, 24
ALL_MODULES = [f"self_attn.{p}_proj" for p in "qkvo"] + [f"mlp.{p}_proj" for p in ("gate", "up", "down")]


def numbers(t: torch.Tensor, digits: int = 9) -> list:
    return [float(f"{v:.{digits}g}") for v in t.detach().flatten().tolist()]


def keep_best(score: torch.Tensor, width: int) -> list[int]:
    """Ascending indices of the `width` highest scores; the cut must be wide enough for float32."""
    values = score.tolist()
    ranked = sorted(range(len(values)), key=lambda n: (-values[n], n))
    if width < len(values):
        margin = (values[ranked[width - 1]] - values[ranked[width]]) / max(map(abs, values))
        if 0 < margin < 1e-4:
            raise ValueError(f"keep_best: the cut at {width} has a relative margin of {margin:.1e}; choose another seed.")
    return sorted(ranked[:width])


class Adapted:
    """A frozen model with LoRA adapters, and factors of the MLP neurons' gate and up outputs."""

    def __init__(self, base: Float64Llama, modules: list[str], r: int, alpha: float, rng: torch.Generator):
        self.base, self.scaling = base, alpha / r
        self.frozen = {name: w.detach() for name, w in base.weights.items()}
        names = [f"model.layers.{i}.{m}" for i in range(base.num_layers) for m in modules]
        self.a, self.b = {}, {}
        for name in names:
            outputs, inputs = self.frozen[name + ".weight"].shape
            bound = 1 / math.sqrt(inputs)
            values = (torch.rand(r, inputs, generator=rng, dtype=torch.float64) * 2 - 1) * bound
            self.a[name] = values.float().double().requires_grad_()
            self.b[name] = torch.zeros(outputs, r, dtype=torch.float64, requires_grad=True)

    def parameters(self) -> list[torch.Tensor]:
        return [p for name in self.a for p in (self.a[name], self.b[name])]

    def weight(self, module: str) -> torch.Tensor:
        return self.frozen[module + ".weight"] + self.scaling * self.b[module] @ self.a[module]

    def loss(self, ids: list[int], masks: list[torch.Tensor] | None) -> torch.Tensor:
        weights = dict(self.frozen)
        for module in self.a:
            weights[module + ".weight"] = self.weight(module)
        for layer in range(self.base.num_layers):
            gate, up, _ = self.base.mlp_names(layer)
            if masks is not None:
                for name in (gate, up):
                    weights[name] = weights[name] * masks[layer][:, None]
        view = Float64Llama.__new__(Float64Llama)
        view.config, view.weights, view.num_layers = self.base.config, weights, self.base.num_layers
        return cross_entropy(view.forward(ids)[0], ids)

    def json(self, digits: int = 9) -> dict:
        return {name: {"a": numbers(self.a[name], digits), "b": numbers(self.b[name], digits)} for name in self.a}


def cubic_sparsity(step: int, total: int, target: float) -> float:
    """0 until a tenth of the steps, the target from nine tenths on."""
    start, end = math.floor(0.1 * total), math.floor(0.9 * total)
    if step <= start:
        return 0.0
    if step >= end:
        return target
    return target - target * (1 - (step - start) / (end - start)) ** 3


def lora_salience(model: Adapted, layer: int) -> torch.Tensor:
    """Sum over gate, up and down of each one's vector of |G * W'|, summed per neuron, divided by its L2 norm; [F]."""
    total = 0
    for part, axis in (("gate", 1), ("up", 1), ("down", 0)):
        module = f"model.layers.{layer}.mlp.{part}_proj"
        a, b = model.a[module], model.b[module]
        g = b.grad @ a + b @ a.grad - b.grad @ a.grad
        s = (g * model.weight(module)).abs().sum(axis)
        total = total + s / s.norm()
    return total.detach()


def lora_prune(base: Float64Llama, sequences: list, rng: torch.Generator) -> dict:
    options = {"steps": 20, "r": 2, "alpha": 4, "lr": 1e-3, "ema": 0.9, "pruneFreq": 2, "width": 32, "maxGradNorm": 1.0}
    total, ema, width = options["steps"], options["ema"], options["width"]
    model = Adapted(base, ALL_MODULES, options["r"], options["alpha"], rng)
    initial = {name: numbers(a) for name, a in model.a.items()}
    size = base.config["intermediate_size"]
    scores = [torch.zeros(size, dtype=torch.float64) for _ in range(base.num_layers)]
    masks = [torch.ones(size, dtype=torch.float64) for _ in range(base.num_layers)]
    optimiser = torch.optim.AdamW(model.parameters(), lr=options["lr"], weight_decay=0.0)
    losses, history = [], []
    for step in range(1, total + 1):
        optimiser.zero_grad()
        loss = model.loss(sequences[(step - 1) % len(sequences)], masks)
        loss.backward()
        losses.append(loss.item())
        for layer, mask in enumerate(masks):
            scores[layer] = (ema * scores[layer] + (1 - ema) * lora_salience(model, layer)) * mask
        torch.nn.utils.clip_grad_norm_(model.parameters(), options["maxGradNorm"])
        optimiser.step()
        if step % options["pruneFreq"] == 0:
            sparsity = cubic_sparsity(step, total, 1 - width / size)
            num_kept = max(width, size - math.floor(sparsity * size + 1e-9))
            for layer in range(base.num_layers):
                masks[layer] = torch.zeros(size, dtype=torch.float64)
                masks[layer][keep_best(scores[layer], num_kept)] = 1
                scores[layer] = scores[layer] * masks[layer]
            history.append(num_kept)
    return {
        "options": options,
        "initialA": initial,
        "losses": losses,
        "widths": history,
        "final": {
            "adapters": model.json(),
            "scores": [numbers(s) for s in scores],
            "kept": [keep_best(s, width) for s in scores],
        },
    }


def lora_importance(base: Float64Llama, sequences: list, rng: torch.Generator) -> dict:
    """The salience of adapters that have not been trained, summed over the sequences; B and dA are zero."""
    model = Adapted(base, ALL_MODULES[4:], r=3, alpha=3, rng=rng)
    size = base.config["intermediate_size"]
    scores = [torch.zeros(size, dtype=torch.float64) for _ in range(base.num_layers)]
    for ids in sequences:
        for p in model.parameters():
            p.grad = None
        model.loss(ids, None).backward()
        scores = [score + lora_salience(model, layer) for layer, score in enumerate(scores)]
    return {
        "r": 3,
        "a": {name: numbers(a) for name, a in model.a.items()},
        "scores": [numbers(s, 12) for s in scores],
        "kept": [keep_best(s, 32) for s in scores],
    }


BETA, LOW, HIGH, EPSILON = 2 / 3, -0.1, 1.1, 1e-6


def sample_masks(log_alpha: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    s = torch.sigmoid((torch.log(u) - torch.log(1 - u) + log_alpha) / BETA)
    return (s * (HIGH - LOW) + LOW).clamp(0, 1)


def expected_sparsity(log_alpha: torch.Tensor) -> torch.Tensor:
    """P(z = 0) of the last axis, mean."""
    x = -LOW / (HIGH - LOW)
    zero = torch.sigmoid(BETA * (math.log(x) - math.log(1 - x)) - log_alpha).clamp(EPSILON, 1 - EPSILON)
    return zero.mean(-1)


def compresso(base: Float64Llama, sequences: list, rng: torch.Generator, constraint: str) -> dict:
    options = {
        "steps": 20, "fineTuneSteps": 3, "warmUpSteps": 8, "r": 2, "alpha": 4, "lr": 1e-3, "maskLr": 0.3,
        "lagrangianLr": 2.0, "maxGradNorm": 1.0, "width": 32, "constraint": constraint,
    }  # fmt: skip
    total, plain, warm_up, width = (options[k] for k in ("steps", "fineTuneSteps", "warmUpSteps", "width"))
    model = Adapted(base, ["self_attn.q_proj", "self_attn.v_proj"], options["r"], options["alpha"], rng)
    initial = {name: numbers(a) for name, a in model.a.items()}
    layers, size = base.num_layers, base.config["intermediate_size"]
    bounds = (math.log(1e-2), math.log(1e2))
    mean = math.log(0.99) - math.log(0.01)
    first = mean + 1e-2 * torch.randn(layers, size, generator=rng, dtype=torch.float64)
    log_alpha = first.clamp(*bounds).requires_grad_()
    first = numbers(log_alpha, 12)
    groups = layers if constraint == "layer" else 1
    l1 = torch.zeros(groups, dtype=torch.float64, requires_grad=True)
    l2 = torch.zeros(groups, dtype=torch.float64, requires_grad=True)
    uniforms = EPSILON + (1 - 2 * EPSILON) * torch.rand(total, layers, size, generator=rng, dtype=torch.float64)
    weights = torch.optim.AdamW(model.parameters(), lr=options["lr"], weight_decay=0.0)
    masks = torch.optim.AdamW([log_alpha], lr=options["maskLr"], weight_decay=0.0)
    ascent = torch.optim.AdamW([l1, l2], lr=options["lagrangianLr"], weight_decay=0.0, maximize=True)
    losses, sparsities = [], []
    for step in range(1, total + 1):
        for optimiser in (weights, masks, ascent):
            optimiser.zero_grad()
        ids = sequences[(step - 1) % len(sequences)]
        is_plain = step <= plain
        z = None if is_plain else list(sample_masks(log_alpha, uniforms[step - 1]))
        ce = model.loss(ids, z)
        loss = ce
        if not is_plain:
            target = (1 - width / size) * min(1, (step - plain) / warm_up)
            s = expected_sparsity(log_alpha if constraint == "layer" else log_alpha.reshape(1, -1))
            loss = ce + (l1 * (s - target) + l2 * (s - target) ** 2).sum()
            sparsities.append(s.mean().item())
        loss.backward()
        losses.append(ce.item())
        torch.nn.utils.clip_grad_norm_(model.parameters(), options["maxGradNorm"])
        weights.step()
        if not is_plain:
            masks.step()
            ascent.step()
            with torch.no_grad():
                log_alpha.clamp_(*bounds)
    kept = [keep_best(row, width) for row in log_alpha.detach()]
    multipliers = torch.sigmoid(log_alpha / BETA * 0.8)
    folded = {}
    for layer, indices in enumerate(kept):
        gate = base.mlp_names(layer)[0]
        folded[gate] = numbers((model.frozen[gate] * multipliers[layer][:, None])[indices])
    return {
        "options": options,
        "initialA": initial,
        "initialLogAlpha": first,
        "uniforms": [numbers(u, 9) for u in uniforms],
        "losses": losses,
        "sparsities": sparsities,
        "final": {
            "adapters": model.json(),
            "logAlpha": [numbers(row) for row in log_alpha],
            "lambda1": numbers(l1),
            "lambda2": numbers(l2),
            "multipliers": [numbers(row) for row in multipliers],
            "kept": kept,
            "foldedGate": folded,
        },
    }


def write(path: Path, result: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {
        "generator": "tools/reference/training_methods.py",
        "versions": {"torch": torch.__version__},
        "model": MODEL,
        "seed": SEED,
        "dtype": "float64",
    }
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in (head | result).items())
    path.write_text(f"{{\n{lines}\n}}\n")


def main() -> None:
    base = Float64Llama.load(FIXTURES / MODEL)
    rng = torch.Generator().manual_seed(SEED)
    sequences = torch.randint(3, base.config["vocab_size"], (NUM_SEQUENCES, LENGTH), generator=rng).tolist()
    pruned = lora_prune(base, sequences, rng)
    pruned["importance"] = lora_importance(base, sequences, torch.Generator().manual_seed(SEED + 1))
    path = PLUGINS / "method-lora-prune" / "test" / "fixtures" / "tiny-llama-lora-prune.json"
    write(path, {"sequences": sequences} | pruned)
    print("lora-prune:", pruned["losses"], pruned["widths"])
    for constraint in ("layer", "model"):
        result = compresso(base, sequences, rng, constraint)
        name = "tiny-llama-compresso" + ("" if constraint == "layer" else f"-{constraint}")
        path = PLUGINS / "method-compresso" / "test" / "fixtures" / f"{name}.json"
        write(path, {"sequences": sequences} | result)
        print(f"compresso {constraint}:", result["losses"], result["sparsities"])
        for row, indices in zip(result["final"]["logAlpha"], result["final"]["kept"], strict=True):
            ordered = sorted(row, reverse=True)
            print("  at the cut:", ordered[len(indices) - 1], ordered[len(indices)], ordered[0], ordered[-1])


if __name__ == "__main__":
    main()
