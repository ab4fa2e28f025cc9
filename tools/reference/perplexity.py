"""Perplexity of a Hugging Face checkpoint folder on a text file, in float32, as one JSON document.

    python perplexity.py MODEL TEXT [--window 2048] [--stride S] [--bos each|first|none]
                         [--bytes N] [--limit N]

Definition. The file's text (UTF-8, line ends as they are) is tokenised in one piece without special tokens:
t[0..n). A window holds at most `window` tokens, the BOS among them where it has one:
  none   no BOS anywhere;
  first  the BOS is put before the text once and is from then on a token like any other: t gets one longer;
  each   every window starts with a BOS of its own, which leaves room for `window - 1` tokens of the text.
Let c be the number of text tokens in a full window (`window`, or `window - 1` for `each`) and
advance = min(stride, c); `stride` defaults to `window`, which gives windows that do not overlap. Window i
covers the text tokens [b, e) with b = i * advance and e = min(b + c, n); the first with e = n is the last.
Scored in a window are the tokens from max(e of the window before, b + 1) on, with `each` from
max(e of the window before, b) on: every token at most once, and never one that has nothing before it in its
window. The last window counts like any other; a window that would score nothing is left out.

  nll = sum of the scored tokens' negative log-likelihoods (nats) / their number;   perplexity = exp(nll)

The mean is over tokens, not over windows. Without a BOS and without overlap, n - (number of windows) tokens
are scored.
"""

import argparse
import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def windows(num_tokens: int, window: int, stride: int, bos_each: bool) -> Iterator[tuple[int, int, int]]:
    """Yields (begin, first scored, end) of each window as positions in the text."""
    content = window - 1 if bos_each else window
    previous_end = 0
    for begin in range(0, num_tokens, min(stride, content)):
        end = min(begin + content, num_tokens)
        first = max(previous_end, begin if bos_each else begin + 1)
        if first < end:
            yield begin, first, end
        previous_end = end
        if end == num_tokens:
            return


def negative_log_likelihoods(model: torch.nn.Module, ids: list[int], first: int) -> float:
    """Sum over the tokens ids[first..]; logits in float32, log-softmax and sum in float64."""
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    total = 0.0
    for start in range(first, len(ids), 256):  # bounds the float64 copy of the logits
        end = min(start + 256, len(ids))
        log_q = torch.log_softmax(logits[start - 1 : end - 1].double(), -1)
        total -= log_q[torch.arange(end - start), torch.tensor(ids[start:end])].sum().item()
    return total


def perplexity(
    model: torch.nn.Module,
    text_ids: list[int],
    bos_id: int | None,
    window: int,
    stride: int,
    bos: str,
    limit: int | None = None,
) -> dict:
    if window < 2 or stride < 1:
        raise SystemExit(f"perplexity: expected window >= 2 and stride >= 1, got {window} and {stride}.")
    if bos != "none" and bos_id is None:
        raise SystemExit(
            f"perplexity: --bos {bos} needs a BOS token; the tokenizer and config.json have none."
        )
    ids = [bos_id, *text_ids] if bos == "first" else text_ids
    prefix = [bos_id] if bos == "each" else []
    total, count = 0.0, 0
    for i, (begin, first, end) in enumerate(windows(len(ids), window, stride, bos == "each")):
        if i == limit:
            break
        total += negative_log_likelihoods(model, prefix + ids[begin:end], first - begin + len(prefix))
        count += end - first
    if count == 0:
        raise SystemExit("perplexity: the text has too few tokens; none can be scored.")
    return {
        "perplexity": math.exp(total / count),
        "nll": total / count,
        "tokens": count,
        "window": window,
        "stride": stride,
        "bos": bos,
    }


def read_text(path: Path, num_bytes: int | None) -> tuple[str, int, str]:
    """The text, its size and its sha256; of the first `num_bytes`, cut after the last line end in them."""
    data = path.read_bytes()
    if num_bytes is not None and num_bytes < len(data):
        data = data[: data.rindex(b"\n", 0, num_bytes) + 1]
    return data.decode("utf-8"), len(data), hashlib.sha256(data).hexdigest()


def load(folder: Path) -> tuple[torch.nn.Module, object, int | None]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    bos_id = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else model.config.bos_token_id
    return model, tokenizer, bos_id


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--window", type=int, default=2048)
    parser.add_argument("--stride", type=int, help="default: the window")
    parser.add_argument("--bos", choices=["each", "first", "none"], default="none")
    parser.add_argument(
        "--bytes", type=int, help="use the text's first N bytes, cut after the last line end in them"
    )
    parser.add_argument("--limit", type=int, help="stop after N windows")
    args = parser.parse_args()
    model, tokenizer, bos_id = load(args.model)
    text, size, sha256 = read_text(args.text, args.bytes)
    text_ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    result = perplexity(
        model, text_ids, bos_id, args.window, args.stride or args.window, args.bos, args.limit
    )
    print(json.dumps({**result, "bytes": size, "sha256": sha256}))


if __name__ == "__main__":
    main()
