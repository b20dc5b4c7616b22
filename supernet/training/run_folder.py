"""Folder of a training run: state, checkpoint, log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from search_space.files.whole_file import whole_file

STATE = "state.safetensors"


CHECKPOINT = "checkpoint.safetensors"


LOG = "log.jsonl"


def append_epoch(path: Path, record: dict[str, Any]) -> None:
    """Appends a line, in place of those of the same and later epochs that a kill left without their state."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if json.loads(line)["epoch"] < record["epoch"]]
    with whole_file(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in [*kept, json.dumps(record)]))
