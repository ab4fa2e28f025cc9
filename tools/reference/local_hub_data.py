"""Rows of the evaluation data sets in the shapes that they have on the hub, from a folder of the authors' own files.

`serve(folder)` makes `datasets.load_dataset` give these instead of downloading.
"""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import datasets

Row = dict[str, object]


def json_lines(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def labels(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()]


def arc_choices(row: Row, stem: str) -> Row:
    choices = row["question"]["choices"]
    return {
        "id": row["id"],
        stem: row["question"]["stem"],
        "choices": {key: [choice[key] for choice in choices] for key in ("text", "label")},
        "answerKey": row["answerKey"],
    }


def arc_easy(data: Path) -> list[Row]:
    return [arc_choices(row, "question") for row in json_lines(data / "arc_easy/ARC-Easy-Test.jsonl")]


def openbookqa(data: Path) -> list[Row]:
    return [arc_choices(row, "question_stem") for row in json_lines(data / "openbookqa/test.jsonl")]


def boolq(data: Path) -> list[Row]:
    truths = {"true": 1, "false": 0}
    rows = json_lines(data / "boolq/val.jsonl")
    return [
        {
            "question": row["question"],
            "passage": row["passage"],
            "idx": i,
            "label": truths[str(row["label"]).lower()],
        }
        for i, row in enumerate(rows)
    ]


def crows_pairs(data: Path) -> list[Row]:
    with (data / "crows_pairs/crows_pairs_EN_revised+210.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return [{key: row[key] for key in ("sent_more", "sent_less", "bias_type")} for row in rows]


def piqa(data: Path) -> list[Row]:
    rows = json_lines(data / "piqa/valid.jsonl")
    return [
        {**{key: row[key] for key in ("goal", "sol1", "sol2")}, "label": label}
        for row, label in zip(rows, labels(data / "piqa/valid-labels.lst"), strict=True)
    ]


def winogrande(data: Path) -> list[Row]:
    return json_lines(data / "winogrande/dev.jsonl")


def race(data: Path) -> list[Row]:
    rows = json_lines(data / "race/high_test.jsonl")
    return [{"article": row["article"], "problems": repr(row["problems"])} for row in rows]


def truthfulqa(data: Path) -> list[Row]:
    rows = json.loads((data / "truthfulqa/mc_task.json").read_text(encoding="utf-8"))
    as_lists = lambda targets: {"choices": [*targets], "labels": [*targets.values()]}  # noqa: E731
    return [
        {"question": row["question"], **{key: as_lists(row[key]) for key in ("mc1_targets", "mc2_targets")}}
        for row in rows
    ]


def wikitext(data: Path) -> list[Row]:
    pages: list[list[str]] = [[]]
    for line in (data / "wikitext2/wiki.test.raw").read_text(encoding="utf-8").split("\n"):
        title = line.replace("= = =", "===").replace("= =", "==").strip()
        if title.startswith("= ") and title.endswith(" ="):
            pages.append([])
        pages[-1].append(line)
    return [{"page": "\n".join(page)} for page in pages if "".join(page).strip()]


# lm-eval's task: (the split that it evaluates, rows)
TASKS: dict[str, tuple[str, Callable[[Path], list[Row]]]] = {
    "arc_easy": ("test", arc_easy),
    "boolq": ("validation", boolq),
    "crows_pairs_english": ("test", crows_pairs),
    "openbookqa": ("test", openbookqa),
    "piqa": ("validation", piqa),
    "race": ("test", race),
    "truthfulqa_mc2": ("validation", truthfulqa),
    "winogrande": ("validation", winogrande),
    "wikitext": ("test", wikitext),
}

# What lm-eval asks the hub for, and the task that it is for.
PATHS = {
    ("allenai/ai2_arc", "ARC-Easy"): "arc_easy",
    ("super_glue", "boolq"): "boolq",
    ("BigScienceBiasEval/crows_pairs_multilingual", "english"): "crows_pairs_english",
    ("openbookqa", "main"): "openbookqa",
    ("piqa", None): "piqa",
    ("EleutherAI/race", "high"): "race",
    ("truthful_qa", "multiple_choice"): "truthfulqa_mc2",
    ("winogrande", "winogrande_xl"): "winogrande",
    ("EleutherAI/wikitext_document_level", "wikitext-2-raw-v1"): "wikitext",
}


def serve(data: Path) -> None:
    def load_dataset(path: str, name: str | None = None, **_: object) -> datasets.DatasetDict:
        split, rows = TASKS[PATHS[path, name]]
        served = datasets.Dataset.from_list(rows(data))
        # Splits that a task only names, such as the one for few-shot examples, must be there.
        return datasets.DatasetDict({each: served for each in {"train", "validation", "test", split}})

    datasets.load_dataset = load_dataset
