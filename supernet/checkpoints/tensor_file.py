"""Tensors in a safetensors file with a JSON header, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from search_space.files.whole_file import whole_file
from supernet.checkpoints.header import (
    HEADER,
    damaged,
    read_header,
)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Writes a safetensors file, whole or not at all. Equal content gives equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with whole_file(path) as temporary:
        # One entry, since safetensors writes several in a random order.
        save_file(contiguous, temporary, {HEADER: json.dumps(dict(header), sort_keys=True)})


def read_tensors(path: Path, expected_format: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads tensors and header of a safetensors file.

    Raises:
        CheckpointError: The file is absent or damaged, or its header names another format.
    """
    header = read_header(path, expected_format)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise damaged(path, error) from error
    return tensors, header


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
