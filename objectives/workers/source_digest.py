"""Digest of the source code that computes a value: the packages, and the module of a user's own objective."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

from h4h_packages import ROOT
from h4h_start import PACKAGES

_SHOWN_DIGITS = 12


@cache
def packages_digest() -> str:
    """First digits of the SHA-256 of all Python files of the packages.

    Computed once for each process: a worker that runs keeps the code that it has imported, so a later change
    of the files must not change its digest.
    """
    files = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return _digest([*sorted(ROOT.glob("h4h_*.py")), *files], ROOT)


@cache
def module_digest(name: str) -> str:
    """The same of the file of one module; empty for a module of the packages or without a file."""
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None or name.partition(".")[0] in PACKAGES:
        return ""
    return _digest([Path(file)], Path(file).parent)


def _digest(files: Sequence[Path], root: Path) -> str:
    total = sha256()
    for path in files:
        content = path.read_bytes()
        total.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        total.update(content)
    return total.hexdigest()[:_SHOWN_DIGITS]
