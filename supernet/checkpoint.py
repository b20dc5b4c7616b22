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

from search_space.document import parse_document
from search_space.errors import DocumentError, H4HError
from search_space.space import Space
from search_space.whole_file import whole_file
from supernet.model import Supernet

FORMAT = "h4h-supernet-1"
HEADER = "h4h"
"""Key of safetensors' own header under which ours stands, as JSON."""


class CheckpointError(H4HError):
    """A checkpoint that is absent, damaged, or of another kind than asked for."""


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
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} does not exist")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"checkpoint {path} is damaged or no safetensors file ({error})") from error
    if header.get("format") != expected_format:
        raise CheckpointError(
            f"checkpoint {path} must be of format {expected_format!r}, "
            f"but its header says {header.get('format')!r}"
        )
    return tensors, header


def save_checkpoint(path: Path, supernet: Supernet) -> None:
    """Writes the weights in float16, with the search space in the header."""
    tensors = {name: tensor.to(torch.float16) for name, tensor in supernet.state_dict().items()}
    write_tensors(path, tensors, {"format": FORMAT, "space": supernet.space.to_dict()})


def load_checkpoint(path: Path, space: Space | None = None) -> Supernet:
    """The supernet of a checkpoint, its weights in float32.

    Args:
        path: File that `save_checkpoint` wrote.
        space: The space that it must be of, if one is expected.

    Raises:
        CheckpointError: The file is absent, damaged, not finite, or of another space.
    """
    tensors, header = read_tensors(path, FORMAT)
    try:
        stored = parse_document(Space, header.get("space"), source="header")
    except DocumentError as error:
        raise CheckpointError(f"checkpoint {path} holds no readable search space ({error})") from error
    if space is not None and stored.digest != space.digest:
        raise CheckpointError(
            f"checkpoint {path} is of another version of space {stored.name!r}, not of {space.name!r}: "
            f"train one with `python -m supernet.train --space ...`, or search the space it was trained on"
        )
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
