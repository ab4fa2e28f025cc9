"""Writes the reference files of packages/model-io with the Python libraries.

Usage: python tools/reference/model_io_fixtures.py
Needs torch, safetensors and tokenizers; the versions and the seed used are stated in expected.json.
"""

import hashlib
import json
import pathlib

import safetensors
import tokenizers
import torch
from safetensors.torch import save_file
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

SEED = 20
OUT = pathlib.Path(__file__).resolve().parents[2] / "packages" / "model-io" / "test" / "fixtures"

# Every type that torch and the format share, under names whose order in UTF-8 and UTF-16 differs.
DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E8M0": torch.float8_e8m0fnu,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
    "I16": torch.int16,
    "U16": torch.uint16,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I32": torch.int32,
    "U32": torch.uint32,
    "F32": torch.float32,
    "C64": torch.complex64,
    "F64": torch.float64,
    "I64": torch.int64,
    "U64": torch.uint64,
}

TEXTS = [
    "Once upon a time there was a red fox.",
    "  two leading spaces, a tab\t, and\n\na blank line ",
    "Zahlen 1234567 und Größe: 3,14 €",
    "emoji 🦊🦊 and a lone ▁ mark ▁▁x",
    "<s>special</s> tokens <unk> in the text",
    "don't can't WON'T l'été",
    "日本語のテキスト",
    "",
    " ",
    "a",
]


def corpus() -> list[str]:
    who = ["the fox", "an old owl", "my brother", "the small bear", "Anna"]
    does = ["finds", "carries", "paints", "remembers", "can't lift"]
    what = ["a red ball", "12 apples", "the river", "his mother's hat", "nothing at all"]
    where = ["in the park.", "near the sea!", "under 3 trees?", "at home, again.", "on Monday."]
    return [f"{a} {b} {c} {d}" for a in who for b in does for c in what for d in where]


def bits_of(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()


def write_tensors() -> dict:
    torch.manual_seed(SEED)
    tensors = {}
    for name, dtype in DTYPES.items():
        raw = torch.randint(0, 2 if dtype == torch.bool else 256, (6 * dtype.itemsize,), dtype=torch.uint8)
        tensors[f"t.{name}"] = raw.view(dtype).reshape(2, 3)
    for name in ["\U0001f98a", "\uffee", "Z", 'a"b\\c\n\x7f\u2028', "zero", "scalar"]:
        shape = {"zero": (0, 4), "scalar": ()}.get(name, (2,))
        tensors[name] = torch.randn(shape)
    save_file(tensors, OUT / "all-dtypes.safetensors", metadata={"format": "pt"})

    # Values that exercise rounding: random ones over all exponents, ties, subnormals, overflow.
    bits = torch.randint(-(2**31), 2**31, (3000,), dtype=torch.int64).to(torch.int32)
    ties = (torch.arange(0, 1000) * 0x1000 + 0x38000000).to(torch.int32)
    small = (torch.arange(0, 1000) * 0x40123 + 0x32000000).to(torch.int32)
    edge = torch.tensor(
        [0x477FEFFF, 0x477FF000, 0x477FE000, 0x33000000, 0x33000001, 0x7F7FFFFF], dtype=torch.int32
    )
    values = torch.cat([bits, ties, small, edge]).view(torch.float32)
    values = values[~values.isnan()]
    save_file({"f32": values, "f16": values.half(), "bf16": values.bfloat16()}, OUT / "rounding.safetensors")
    every = torch.arange(65536, dtype=torch.int32).to(torch.uint16)
    finite16 = every.view(torch.float16).nan_to_num(nan=0.0)  # NaN payloads are the implementation's own
    return {"float16_as_float32_sha256": hashlib.sha256(bits_of(finite16.float())).hexdigest()}


def sentencepiece_style() -> Tokenizer:
    """As Llama-2's: no pre-tokenizer, spaces as U+2581, byte fallback."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    # Trained on words, as SentencePiece does; the tokenizer itself has no such step.
    tokenizer.pre_tokenizer = pre_tokenizers.Split(tokenizers.Regex("▁[^▁]*|[^▁]+"), "isolated")
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer.train_from_iterator(
        corpus(), trainers.BpeTrainer(vocab_size=500, special_tokens=special, show_progress=False)
    )
    document = json.loads(tokenizer.to_str())
    document["pre_tokenizer"] = None
    document["added_tokens"] = document["added_tokens"][:3]
    tokenizer = Tokenizer.from_str(json.dumps(document))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def byte_level() -> Tokenizer:
    """As Llama-3's: a splitting expression, then bytes."""
    tokenizer = Tokenizer(models.BPE())
    split = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(split), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_special_tokens([AddedToken("<s>", special=True), AddedToken("</s>", special=True)])
    begin = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", begin)])
    return tokenizer


def write_tokenizers() -> dict:
    expected = {}
    for name, tokenizer in {"sentencepiece": sentencepiece_style(), "byte-level": byte_level()}.items():
        (OUT / f"{name}-tokenizer.json").write_text(tokenizer.to_str() + "\n", encoding="utf-8")
        cases = []
        for text in TEXTS:
            ids = tokenizer.encode(text).ids
            plain = tokenizer.encode(text, add_special_tokens=False).ids
            decoded = tokenizer.decode(plain, skip_special_tokens=False)
            cases.append({"text": text, "ids": ids, "plain": plain, "decoded": decoded})
        expected[name] = {"vocab_size": tokenizer.get_vocab_size(), "cases": cases}
    return expected


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    expected = {
        "made_by": "tools/reference/model_io_fixtures.py",
        "seed": SEED,
        "versions": {
            "torch": torch.__version__,
            "safetensors": safetensors.__version__,
            "tokenizers": tokenizers.__version__,
        },
        **write_tensors(),
        "tokenizers": write_tokenizers(),
    }
    (OUT / "expected.json").write_text(
        json.dumps(expected, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
