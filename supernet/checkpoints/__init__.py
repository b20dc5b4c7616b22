"""Shipped checkpoints. A card beside each describes its training."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from search_space.errors import H4HError, UnknownNameError


def known_checkpoints() -> tuple[str, ...]:
    """Names of the search spaces that have a shipped checkpoint.

    Example:
        >>> from supernet import known_checkpoints
        >>> known_checkpoints()
        ('cifar32',)
    """
    files = resources.files(__name__).iterdir()
    return tuple(
        sorted(file.name.removesuffix(".safetensors") for file in files if file.name.endswith(".safetensors"))
    )


def built_in_checkpoint(space: str) -> Path:
    """File of the checkpoint that is shipped for the search space `space`.

    Raises:
        H4HError: No checkpoint is shipped for this space.
    """
    if space not in known_checkpoints():
        raise H4HError(
            f"no checkpoint is shipped for space {space!r} (shipped: {', '.join(known_checkpoints())}): "
            f"train one with `python -m supernet.train --space {space} --out DIR` and pass it as --checkpoint"
        )
    path = Path(str(resources.files(__name__) / f"{space}.safetensors"))
    _check_digest(path)
    return path


@cache
def _check_digest(path: Path) -> None:
    """Compares a shipped checkpoint with the SHA-256 on its card.

    Raises:
        H4HError: They differ.
    """
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    match = re.search(r"SHA-256\s+`([0-9a-f]{64})`", card)
    expected = None if match is None else match[1]
    if hashlib.sha256(path.read_bytes()).hexdigest() != expected:
        raise H4HError(
            f"the shipped checkpoint {path} is not the one of its card: install the project again, "
            f"or pass your own file as --checkpoint"
        )


def locate_checkpoint(name: str) -> Path:
    """Resolves a checkpoint: a shipped one by the name of its search space, any other by its path.

    Raises:
        UnknownNameError: `name` is neither. A path that ends in .safetensors is not checked.
    """
    if name in known_checkpoints():
        return built_in_checkpoint(name)
    if not name.endswith(".safetensors") and not Path(name).exists():
        raise UnknownNameError(
            "checkpoint", name, (*known_checkpoints(), "or the path of a .safetensors file")
        )
    return Path(name)


def add_checkpoint(add: Callable[..., Any]) -> None:
    """Adds the option ``--checkpoint``; `add` is `add_argument` of a parser."""
    add(
        "--checkpoint",
        type=locate_checkpoint,
        default="cifar32",
        metavar="FILE",
        help="checkpoint: a safetensors file, or the name of a shipped one (default: %(default)s)",
    )
