"""Supernet checkpoints: float16 safetensors whose header holds the search space. No pickles."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from search_space.files.whole_file import whole_file
from search_space.space import Space
from supernet.checkpoints.header import (
    FORMAT,
    HEADER,
    CheckpointError,
    check_space,
    damaged,
    read_header,
    stored_space,
)
from supernet.network.supernet import Supernet


def write_tensors(path: Path, tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> None:
    """Writes a safetensors file whole or not at all; equal content gives equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with whole_file(path) as temporary:
        # One entry: safetensors writes several in an order that changes from run to run.
        save_file(contiguous, temporary, {HEADER: json.dumps(dict(header), sort_keys=True)})


def read_tensors(path: Path, expected_format: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and header of a safetensors file.

    Raises:
        CheckpointError: It is absent, damaged, or its header names another format.
    """
    header = read_header(path, expected_format)
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise damaged(path, error) from error
    return tensors, header


def save_checkpoint(path: Path, supernet: Supernet, data: Mapping[str, str] | None = None) -> None:
    """Writes the weights in float16, with the search space in the header.

    Args:
        path: The file.
        supernet: What to write.
        data: What it was trained on, as `supernet.images.data_sets.ImageData.recorded` says it; a search on the
            same images then holds out those that training held out.
    """
    tensors = {name: tensor.to(torch.float16) for name, tensor in supernet.state_dict().items()}
    header: dict[str, Any] = {"format": FORMAT, "space": supernet.space.to_dict()}
    if data is not None:
        header["data"] = dict(data)
    write_tensors(path, tensors, header)


def load_checkpoint(path: Path, space: Space | None = None) -> Supernet:
    """The supernet of a checkpoint, its weights in float32.

    Args:
        path: File that `save_checkpoint` wrote.
        space: The space that it must be of, if one is expected.

    Raises:
        CheckpointError: The file is absent, damaged, not finite, or of another space.
    """
    tensors, _ = read_tensors(path, FORMAT)
    stored = stored_space(path)
    if space is not None:
        check_space(path, stored, space)
    supernet = Supernet(stored)
    try:
        supernet.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except RuntimeError as error:
        raise CheckpointError(f"checkpoint {path} does not fit its own search space ({error})") from error
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"checkpoint {path}: {name} holds values that are not finite")
    return supernet


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
