"""Files of a training run's folder: state, checkpoint, log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from search_space.errors import H4HError
from search_space.files.whole_file import whole_file
from search_space.files.writable_folder import folder_problem

STATE = "state.safetensors"


CHECKPOINT = "checkpoint.safetensors"


LOG = "log.jsonl"


def check_run_folder(out: Path) -> None:
    """Checks that a run can write into the folder `out`, which need not exist; leaves nothing behind.

    Raises:
        H4HError: It cannot be created or written.
    """
    if problem := folder_problem(out):
        raise H4HError(f"--out {out}: {problem}; name another folder")


def append_epoch(path: Path, record: dict[str, Any]) -> None:
    """Appends a line to the log and drops lines of the same and later epochs, whose state a kill has lost."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text().splitlines() if path.exists() else []
    earlier = [line for line in lines if json.loads(line)["epoch"] < record["epoch"]]
    with whole_file(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in [*earlier, json.dumps(record)]))
