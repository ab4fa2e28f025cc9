"""Writes the perplexities that the evaluation package is tested against, by the definition in perplexity.py.

    python stories260k_perplexity.py CHECKPOINT TEXT
        ->  packages/evaluation/test/fixtures/stories260k-perplexity.json

CHECKPOINT is the stories260K folder, TEXT a sample of TinyStories. The text of a case is the file's first
`bytes` bytes, whose hash is recorded; neither the model nor the text is committed.
"""

import argparse
import json
from pathlib import Path

import torch
import transformers

from perplexity import load, perplexity, read_text

OUTPUT = (
    Path(__file__).resolve().parents[2]
    / "packages"
    / "evaluation"
    / "test"
    / "fixtures"
    / "stories260k-perplexity.json"
)
# (about how many bytes, window, stride, bos)
CASES = [
    (20000, 512, 512, "none"),
    (20000, 512, 512, "first"),
    (20000, 512, 512, "each"),
    (8000, 512, 200, "none"),
    (8000, 512, 200, "each"),
    (4000, 128, 128, "each"),
    (4000, 128, 127, "each"),  # the same windows: a BOS leaves room for 127 tokens
    (4000, 128, 128, "none"),
    (4000, 128, 1000, "first"),  # a stride above the window leaves nothing out
]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("text", type=Path)
    args = parser.parse_args()
    model, tokenizer, bos_id = load(args.checkpoint)
    cases = []
    for num_bytes, window, stride, bos in CASES:
        text, size, sha256 = read_text(args.text, num_bytes)
        ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        result = perplexity(model, ids, bos_id, window, stride, bos)
        cases.append({"bytes": size, "sha256": sha256, "textTokens": len(ids), **result})
    header = {
        "generator": "tools/reference/stories260k_perplexity.py",
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "text": args.text.name,
        "bosTokenId": bos_id,
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in header.items()]
    lines.append(' "cases": [\n  ' + ",\n  ".join(map(json.dumps, cases)) + "\n ]")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
