"""Writes the reference of packages/data's training data with the tokenizers of transformers.

Usage: python tools/reference/training_data.py [--shared ../shared]

Rows and documents are those in packages/data/test/fixtures/training, the tokenizer that of packages/cli/demo-model. For
../shared, of which nothing may be kept here, only the SHA-256 of the packed ids and labels is written.
The packing is the few lines of `pack` below: it shares no code with the TypeScript.
"""

import argparse
import hashlib
import json
import pathlib
import random
import re

import numpy
import transformers

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "packages" / "data" / "test" / "fixtures" / "training"
SEED = 12
WITHOUT_INPUT = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Response:\n"
)
WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
)


def instruction_rows(rows, tokenizer, max_length):
    """One {ids, labels} a row; None for a row that is left out."""
    out = []
    for row in rows:
        given = row.get("input", row.get("context")) or ""
        response = row.get("output", row.get("response"))
        if not response.strip():
            out.append(None)
            continue
        template = WITH_INPUT if given.strip() else WITHOUT_INPUT
        prompt = template.format(instruction=row["instruction"], input=given)
        head = tokenizer(prompt).input_ids
        tail = tokenizer(response, add_special_tokens=False).input_ids + [tokenizer.eos_token_id]
        ids = (head + tail)[:max_length]
        labels = ([-100] * len(head) + tail)[:max_length]
        out.append({"ids": ids, "labels": labels} if len(head) < max_length else None)
    return out


def text_rows(texts, tokenizer):
    """One {ids, labels} a document; the label of the very first token is no target."""
    rows = []
    for text in texts:
        ids = tokenizer(text).input_ids + [tokenizer.eos_token_id]
        rows.append({"ids": ids, "labels": [-100] + ids[1:], "document": True})
    return rows


def pack(rows, max_length):
    """Greedy and consecutive: the sequence under way takes a row if it fits, or as much of a document as fits."""
    blocks, block = [], []
    for row in rows:
        ids, labels = row["ids"], row["labels"]
        if not row.get("document") and sum(len(s["ids"]) for s in block) + len(ids) > max_length:
            blocks.append(block)
            block = []
        while ids:
            room = max_length - sum(len(s["ids"]) for s in block)
            if room == 0:
                blocks.append(block)
                block = []
                continue
            block.append({"ids": ids[:room], "labels": [-100] + labels[1:room]})
            ids, labels = ids[room:], labels[room:]
    blocks.append(block)
    return [
        {
            "ids": sum((s["ids"] for s in block), []),
            "labels": sum((s["labels"] for s in block), []),
            "segmentLengths": [len(s["ids"]) for s in block],
        }
        for block in blocks
        if block
    ]


def random_packing(generator):
    """Lengths in an order of their own, and the sequences as lists of [row, offset, length]."""
    max_length = generator.randint(4, 40)
    rows = []
    for row in range(generator.randint(1, 60)):
        is_document = generator.random() < 0.3
        length = generator.randint(1, 3 * max_length if is_document else max_length)
        rows.append({"row": row, "length": length, "document": is_document})
    order = [row["row"] for row in rows]
    generator.shuffle(order)
    # Each token is (row, offset), so that `pack` shows where every segment comes from.
    tokens = [
        {
            "ids": [[row, i] for i in range(rows[row]["length"])],
            "labels": [0] * rows[row]["length"],
            "document": rows[row]["document"],
        }
        for row in order
    ]
    sequences = []
    for block in pack(tokens, max_length):
        at, segments = 0, []
        for length in block["segmentLengths"]:
            segments.append([*block["ids"][at], length])
            at += length
        sequences.append(segments)
    return {
        "maxLength": max_length,
        "lengths": [row["length"] for row in rows],
        "isSplittable": [row["document"] for row in rows],
        "order": order,
        "sequences": sequences,
    }


def digest(sequences):
    """SHA-256 of ids, labels and segment lengths of every sequence, as little-endian int32."""
    hash_ = hashlib.sha256()
    for sequence in sequences:
        for key in ("ids", "labels", "segmentLengths"):
            hash_.update(numpy.asarray(sequence[key], dtype="<i4").tobytes())
    return hash_.hexdigest()


def shared_digests(shared, tokenizers):
    out = []
    alpaca = json.loads((shared / "data/alpaca/alpaca_en_demo.json").read_text())
    stories = (shared / "data/tinystories/tinystories_sample.txt").read_text().split("<|endoftext|>")
    stories = [re.sub(r"^([ \t]*\n)+", "", text).rstrip() for text in stories]
    stories = [text for text in stories if text][:200]
    for name, tokenizer in tokenizers.items():
        rows = [row for row in instruction_rows(alpaca, tokenizer, 512) if row]
        for data, packed in (
            ("alpaca_en_demo", pack(rows, 512)),
            ("tinystories_sample", pack(text_rows(stories, tokenizer), 512)),
        ):
            out.append(
                {
                    "data": data,
                    "tokenizer": name,
                    "maxLength": 512,
                    "sequences": len(packed),
                    "tokens": sum(len(p["ids"]) for p in packed),
                    "sha256": digest(packed),
                }
            )
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared")
    shared = parser.parse_args().shared
    demo = transformers.AutoTokenizer.from_pretrained(ROOT / "packages/cli/demo-model")
    rows = [json.loads(line) for line in (FIXTURES / "instructions.jsonl").read_text().splitlines()]
    instructions = {length: instruction_rows(rows, demo, length) for length in (192, 400)}
    texts = [text.strip("\n") for text in (FIXTURES / "documents.txt").read_text().split("<|endoftext|>")]
    documents = text_rows(texts, demo)
    generator = random.Random(SEED)
    tokenizers = {
        "demo-model": demo,
        "stories260K": transformers.PreTrainedTokenizerFast(
            tokenizer_file=str(shared / "checkpoints/stories260K/tokenizer.json"),
            bos_token="<s>",
            eos_token="</s>",
        ),
    }
    fixture = {
        "script": "tools/reference/training_data.py",
        "versions": {"transformers": transformers.__version__},
        "seed": SEED,
        "instructions": [
            {"maxLength": length, "rows": each, "packed": pack([row for row in each if row], length)}
            for length, each in instructions.items()
        ],
        "documents": {"maxLength": 24, "packed": pack(documents, 24)},
        "packings": [random_packing(generator) for _ in range(12)],
        "shared": shared_digests(shared, tokenizers),
    }
    path = FIXTURES / "expected.json"
    path.write_text(json.dumps(fixture, separators=(",", ":"), ensure_ascii=True) + "\n")
    print(path, fixture["shared"])


main()
