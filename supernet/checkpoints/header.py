"""Checkpoint headers: search space and training images. Needs no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from search_space.errors import DocumentError, H4HError
from search_space.files.regular_file import file_problem
from search_space.files.yaml_document import parse_document
from search_space.space import Space

FORMAT = "h4h-supernet-1"
NETWORK_FORMAT = "h4h-network-1"
HEADER = "h4h"
"""Key in the metadata of a safetensors file whose value is our header, as JSON."""


class CheckpointError(H4HError):
    """A checkpoint that is absent, damaged, or of an unexpected kind."""


def read_header(path: Path, expected_format: str | Sequence[str] = FORMAT) -> dict[str, Any]:
    """Reads the header of a checkpoint.

    Args:
        path: The file.
        expected_format: Allowed format, or several.

    Raises:
        CheckpointError: The file is absent or damaged, or its header names another format.
    """
    allowed = (expected_format,) if isinstance(expected_format, str) else tuple(expected_format)
    if problem := file_problem(path):
        raise CheckpointError(f"checkpoint {path} {problem}; name a .safetensors file")
    try:
        with safe_open(path, framework="np") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise damaged(path, error) from error
    if not isinstance(header, dict) or header.get("format") not in allowed:
        got = header.get("format") if isinstance(header, dict) else header
        needs = " or ".join(map(repr, allowed))
        # A user knows the commands that write the files, not the formats.
        remedy = {
            (NETWORK_FORMAT, FORMAT): ": it holds one network, but a supernet is needed, as supernet.train "
            "writes it",
            (
                FORMAT,
                NETWORK_FORMAT,
            ): ": it holds a supernet, but one network is needed, as supernet.finetune writes it",
        }.get((str(got), allowed[0]) if len(allowed) == 1 else ("", ""), "")
        raise CheckpointError(
            f"checkpoint {path} must be of format {needs}, but its header says {got!r}{remedy}"
        )
    if not isinstance(header.get("data", {}), dict):
        raise CheckpointError(
            f"checkpoint {path}: the record of its training images must be an object, but is "
            f"{header['data']!r:.60}"
        )
    return header


def damaged(path: Path, error: Exception) -> CheckpointError:
    """The error for a file that cannot be read as safetensors."""
    return CheckpointError(f"checkpoint {path} is damaged or no safetensors file ({error})")


def stored_space(path: Path) -> Space:
    """The search space of the checkpoint at `path`.

    Raises:
        CheckpointError: As `read_header`, or the space cannot be read.
    """
    try:
        return parse_document(Space, read_header(path).get("space"), source="header")
    except DocumentError as error:
        raise CheckpointError(f"checkpoint {path} holds no readable search space ({error})") from error


def check_space(path: Path, stored: Space, expected: Space) -> None:
    """Raises `CheckpointError` unless the checkpoint at `path`, of space `stored`, is of space `expected`."""
    if stored.digest == expected.digest:
        return
    if stored.head.classes != expected.head.classes:
        difference = (
            f"space {stored.name!r} with {stored.head.classes} classes, not of {expected.name!r} with "
            f"{expected.head.classes}"
        )
    elif stored.name != expected.name:
        difference = f"space {stored.name!r}, not of {expected.name!r}"
    else:
        difference = f"another version of space {stored.name!r}"
    raise CheckpointError(
        f"checkpoint {path} is of {difference}: leave --space out to search the space it was trained on, or "
        f"train one with this space"
    )


def check_trained_on_pack(path: Path) -> None:
    """Raises `CheckpointError` if the header names other training images than CIFAR-10's training split.

    The evaluation pack would then hold training images of the supernet, or images of other classes.
    """
    record = read_header(path, (FORMAT, NETWORK_FORMAT)).get("data")
    if record is not None and (record.get("data_set"), record.get("split_seed")) != ("cifar10", FIXED):
        raise CheckpointError(
            f"checkpoint {path} was trained on other images ({record.get('data_set')}, split seed "
            f"{record.get('split_seed')}) than those of the evaluation pack in the repository: pass "
            f"the data set as --data DIR"
        )


EPSILON = 1e-5
"""Constant that batch norm adds to the variance, unless a checkpoint records another."""


def stored_epsilon(path: Path, header: Mapping[str, Any]) -> float:
    """The constant of batch norm in the header of the checkpoint at `path`.

    Raises:
        CheckpointError: It is no number above 0 and below 1.
    """
    epsilon = header.get("epsilon", EPSILON)
    if not isinstance(epsilon, float) or not 0 < epsilon < 1:
        raise CheckpointError(
            f"checkpoint {path}: epsilon of its batch norm must be above 0 and below 1, but got "
            f"{epsilon!r:.60}"
        )
    return epsilon


FIXED = "fixed"
"""Value of the split seed if the data set prescribes the split."""
