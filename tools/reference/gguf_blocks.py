"""Writes seeded random GGUF blocks of every type with the values Python's gguf gives them.

Usage: python tools/reference/gguf_blocks.py
Needs gguf and numpy. Into packages/model-io/test/fixtures/gguf-blocks.json: per type the bytes of some blocks and
the float32 bits of their dequantised values; and for Q8_0 float32 values with the blocks they are quantised to.
"""

import base64
import json
import pathlib

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize, quantize
from importlib.metadata import version

SEED = 6
NUM_BLOCKS = 6
OUT = pathlib.Path(__file__).resolve().parents[2] / "packages/model-io/test/fixtures/gguf-blocks.json"
TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q6_K"]
# Places of the float16 scales in a block: random bits there would be NaN or infinite now and then.
SCALES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q4_K": [0, 2], "Q6_K": [208]}


def encode(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


def random_blocks(rng: np.random.Generator, name: str) -> np.ndarray:
    _, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    if name in ("F32", "F16"):
        return rng.standard_normal(64).astype(np.float32 if name == "F32" else np.float16).view(np.uint8)
    if name == "BF16":
        return quantize(rng.standard_normal(64).astype(np.float32), GGMLQuantizationType.BF16).view(np.uint8)
    blocks = rng.integers(0, 256, (NUM_BLOCKS, block_bytes), dtype=np.uint8)
    for place in SCALES[name]:
        exponents = rng.integers(-24, 8, NUM_BLOCKS)  # subnormal ones, too
        scales = (rng.standard_normal(NUM_BLOCKS) * 2.0**exponents).astype(np.float16)
        blocks[:, place : place + 2] = scales.view(np.uint8).reshape(NUM_BLOCKS, 2)
    return blocks.reshape(-1)


def main() -> None:
    rng = np.random.default_rng(SEED)
    types = {}
    for name in TYPES:
        blocks = random_blocks(rng, name)
        values = dequantize(blocks.reshape(1, -1), GGMLQuantizationType[name]).reshape(-1)
        types[name] = {"blocks": encode(blocks), "values": encode(values.astype(np.float32))}
    values = (rng.standard_normal((8, 32)) * 2.0 ** rng.integers(-20, 10, (8, 1))).astype(np.float32)
    values[0] = 0
    values[1, :3] = [127, 0.5, -2.5]  # ties
    values[1, 3:] = 1.5
    blocks = quantize(values, GGMLQuantizationType.Q8_0)
    document = {
        "made_by": "tools/reference/gguf_blocks.py",
        "seed": SEED,
        "versions": {"gguf": version("gguf"), "numpy": np.__version__},
        "dequantize": types,
        "quantize_q8_0": {"values": encode(values), "blocks": encode(blocks)},
    }
    OUT.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
