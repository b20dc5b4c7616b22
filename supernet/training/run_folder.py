"""Files of a training run's folder: state, checkpoint, log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from search_space.files.whole_file import whole_file

STATE = "state.safetensors"


CHECKPOINT = "checkpoint.safetensors"


LOG = "log.jsonl"


def append_epoch(path: Path, record: dict[str, Any]) -> None:
    """Appends a line to the log and drops lines of the same and later epochs, whose state a kill has lost."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text().splitlines() if path.exists() else []
    earlier = [line for line in lines if json.loads(line)["epoch"] < record["epoch"]]
    with whole_file(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in [*earlier, json.dumps(record)]))
