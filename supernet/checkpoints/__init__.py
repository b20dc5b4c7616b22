"""Shipped checkpoints. A card beside each describes its training."""

from __future__ import annotations

from collections.abc import Callable
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
    return Path(str(resources.files(__name__) / f"{space}.safetensors"))


def locate_checkpoint(name: str) -> Path:
    """Resolves a checkpoint: a shipped one by the name of its search space, any other by its path.

    Raises:
        UnknownNameError: `name` is neither. A path that ends in .safetensors is not checked.
    """
    if name in known_checkpoints():
        return built_in_checkpoint(name)
    if not name.endswith(".safetensors") and not Path(name).is_file():
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
