"""Files of a training run's folder: state, checkpoint, log."""

from __future__ import annotations

from pathlib import Path

from search_space.errors import H4HError
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
