"""Event files of TensorBoard: writes the reference records of packages/lora, or prints what a folder of event files holds.

Usage: python tools/reference/tensorboard_events.py            writes packages/lora/test/fixtures/tensorboard-events.json
       python tools/reference/tensorboard_events.py DIR/runs   prints every scalar as TensorBoard reads it, as JSON

Needs the package tensorboard.
"""

import io
import json
import pathlib
import sys

import tensorboard
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

OUT = pathlib.Path(__file__).resolve().parents[2] / "packages/lora/test/fixtures/tensorboard-events.json"


def record(event):
    file = io.BytesIO()
    RecordWriter(file).write(event.SerializeToString())
    return file.getvalue().hex()


def write_reference():
    values = [Summary.Value(tag="train/loss", simple_value=2.5), Summary.Value(tag="eval/loss", simple_value=1e-3)]
    nan = [Summary.Value(tag="train/loss", simple_value=float("nan"))]
    start = SessionLog(status=SessionLog.START)
    records = {
        "fileVersion": Event(wall_time=1764000000.25, file_version="brain.Event:2"),
        "sessionStart": Event(wall_time=1764000001.5, step=300, session_log=start),
        "scalars": Event(wall_time=1764000002.0, step=2**40, summary=Summary(value=values)),
        "nonFinite": Event(wall_time=1764000003.0, step=1, summary=Summary(value=nan)),
    }
    fixture = {
        "script": "tools/reference/tensorboard_events.py",
        "versions": {"tensorboard": tensorboard.__version__},
        "records": {name: record(event) for name, event in records.items()},
    }
    OUT.write_text(json.dumps(fixture, indent=2) + "\n")


def print_scalars(folder):
    accumulator = EventAccumulator(folder, size_guidance={"scalars": 0})
    accumulator.Reload()
    tags = accumulator.Tags()["scalars"]
    print(json.dumps({tag: [[e.step, e.value] for e in accumulator.Scalars(tag)] for tag in tags}))


if len(sys.argv) > 1:
    print_scalars(sys.argv[1])
else:
    write_reference()
