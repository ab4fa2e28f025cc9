"""Loads a pruned checkpoint folder the way its users will and prints what came out, as one JSON document.

    python check_pruned.py PRUNED ids.json [--dense FOLDER [--manifest FILE]]

ids.json is a list of token ids, or an object with the list under "ids". Checked, exit status 1 if one fails:
- safetensors opens every *.safetensors file and reads every tensor; an index names exactly these tensors;
- transformers loads the folder in float32 with no missing, unexpected or mismatched key;
- no logit is NaN or infinite;
- with --dense: every tensor holds the bits of the dense checkpoint's: MLP tensors those of the kept neurons
  (zeros where narrower layers were padded to a common width), all others everything. The kept neurons are
  read from FILE, by default PRUNED/pruning_manifest.json: `layers[i].kept` or `kept[i]`, at the top level or
  under `plan`.

Prints widths, parameters, dtypes, what transformers reported, and in float32 the logits of the last position,
the sum of the logits of each position and each position's argmax.
"""

import argparse
import json
import re
from pathlib import Path

import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM

MLP_TENSOR = re.compile(r"layers\.(\d+)\.mlp\.(gate|up|down)_proj\.(weight|bias)$")


def read_tensors(folder: Path) -> tuple[dict[str, torch.Tensor], list[str]]:
    """All tensors of a folder and a list of what is wrong with its files."""
    tensors: dict[str, torch.Tensor] = {}
    files: dict[str, str] = {}
    problems = []
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("format") != "pt":
                problems.append(f'{path.name}: expected the metadata "format": "pt", got {file.metadata()}.')
            for name in file.keys():
                if name in files:
                    problems.append(f'{path.name}: tensor "{name}" is also in {files[name]}.')
                files[name] = path.name
                tensors[name] = file.get_tensor(name)
    if not tensors:
        problems.append(f"{folder.name}: no tensor in a *.safetensors file.")
    index = folder / "model.safetensors.index.json"
    if index.exists() and json.loads(index.read_text())["weight_map"] != files:
        problems.append(f"{index.name}: weight_map does not match the tensors in the files.")
    return tensors, problems


def kept_neurons(manifest: dict) -> list[list[int]]:
    for place in (manifest, manifest.get("plan") or {}):
        if isinstance(place.get("kept"), list):
            return place["kept"]
        if isinstance(place.get("layers"), list):
            return [layer["kept"] for layer in place["layers"]]
    raise SystemExit("manifest: expected kept neurons at layers[i].kept or kept[i], there are none.")


def same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Equality of the bytes: unlike ==, it tells 0 from -0 and takes NaN as equal to itself."""
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(as_bytes(a), as_bytes(b))


def as_bytes(t: torch.Tensor) -> torch.Tensor:
    return t.contiguous().reshape(-1).view(torch.uint8)


def expected_tensor(name: str, dense: torch.Tensor, kept: list[list[int]], width: int) -> torch.Tensor:
    match = MLP_TENSOR.search(name)
    if not match or (match[2], match[3]) == ("down", "bias"):
        return dense
    axis = 1 if match[2] == "down" else 0
    indices = kept[int(match[1])]
    shape = list(dense.shape)
    shape[axis] = width
    out = torch.zeros(shape, dtype=dense.dtype)
    out.narrow(axis, 0, len(indices)).copy_(dense.index_select(axis, torch.tensor(indices)))
    return out


def compare_with_dense(
    pruned: dict[str, torch.Tensor], dense: dict[str, torch.Tensor], kept: list[list[int]], widths: list[int]
) -> list[str]:
    problems = [
        f'tensor "{name}" is in one checkpoint only.' for name in sorted(pruned.keys() ^ dense.keys())
    ]
    for name in sorted(pruned.keys() & dense.keys()):
        match = MLP_TENSOR.search(name)
        width = widths[int(match[1])] if match else 0
        if not same_bits(pruned[name], expected_tensor(name, dense[name], kept, width)):
            problems.append(f'tensor "{name}" is not what the dense checkpoint and the kept neurons give.')
    return problems


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pruned", type=Path)
    parser.add_argument("ids", type=Path)
    parser.add_argument("--dense", type=Path)
    parser.add_argument("--manifest", type=Path)
    args = parser.parse_args()

    tensors, problems = read_tensors(args.pruned)
    ids = json.loads(args.ids.read_text())
    ids = ids["ids"] if isinstance(ids, dict) else ids
    model, loading = AutoModelForCausalLM.from_pretrained(
        args.pruned, dtype=torch.float32, output_loading_info=True
    )
    loading = {
        key: sorted(map(str, loading[key])) for key in ("missing_keys", "unexpected_keys", "mismatched_keys")
    }
    problems += [
        f"transformers reports {key}: {', '.join(names)}." for key, names in loading.items() if names
    ]
    with torch.no_grad():
        logits = model.eval()(torch.tensor([ids])).logits[0]
    if not logits.isfinite().all():
        problems.append("the logits hold NaN or infinities.")
    widths = [layer.mlp.down_proj.in_features for layer in model.model.layers]
    if args.dense:
        manifest = args.manifest or args.pruned / "pruning_manifest.json"
        dense, dense_problems = read_tensors(args.dense)
        kept = kept_neurons(json.loads(manifest.read_text()))
        problems += dense_problems + compare_with_dense(tensors, dense, kept, widths)

    result = {
        "ok": not problems,
        "problems": problems,
        "widths": widths,
        "parameters": sum(p.numel() for p in model.parameters()),
        "tied": model.config.tie_word_embeddings,
        "dtypes": sorted({str(t.dtype).removeprefix("torch.") for t in tensors.values()}),
        "loading": loading,
        "compared_with_dense": args.dense is not None,
        "ids": ids,
        "logits_last": logits[-1].tolist(),
        "logits_rowsum": logits.double().sum(-1).tolist(),
        "argmax": logits.argmax(-1).tolist(),
    }
    print(json.dumps(result))
    raise SystemExit(0 if not problems else 1)


if __name__ == "__main__":
    main()
