"""Checkpoints that come with the project; the card beside each says how it was trained."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from search_space.errors import H4HError


def known_checkpoints() -> tuple[str, ...]:
    """Names of the search spaces that have a shipped checkpoint."""
    files = resources.files(__name__).iterdir()
    return tuple(
        sorted(file.name.removesuffix(".safetensors") for file in files if file.name.endswith(".safetensors"))
    )


def built_in_checkpoint(space: str) -> Path:
    """File of the checkpoint that is shipped for the search space `space`.

    Raises:
        H4HError: There is none: the user must train one.
    """
    if space not in known_checkpoints():
        raise H4HError(
            f"no checkpoint is shipped for space {space!r} (shipped: {', '.join(known_checkpoints())}): "
            f"train one with `python -m supernet.train --space {space} --out DIR` and pass it as --checkpoint"
        )
    return Path(str(resources.files(__name__) / f"{space}.safetensors"))
