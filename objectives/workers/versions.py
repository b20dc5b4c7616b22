"""Version checks that keep values from different workers comparable."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata

from search_space.errors import H4HError
from search_space.files.setting_differences import differing

_PACKAGES = ("h4h-nas", "numpy", "distributed")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that compute or carry values, and the CPU's kind of kernels."""
    import torch

    found = {package: metadata.version(package) for package in _PACKAGES}
    # Another processor rounds in other ways: torch chooses kernels by its instructions.
    return {
        "Python": platform.python_version(),
        **found,
        "torch": str(torch.__version__),
        "CPU kernels": torch.backends.cpu.get_cpu_capability(),
    }


def check_versions(expected: Mapping[str, str], found: Mapping[str, Mapping[str, str]]) -> None:
    """Refuses workers that would give other values.

    Args:
        expected: `versions` of this process.
        found: `versions` of each worker, by its address.

    Raises:
        WorkerError: A worker differs; names it and each difference.
    """
    for address, theirs in found.items():
        differences = [
            f"{name} {expected.get(name, 'absent')} here, {theirs.get(name, 'absent')} there"
            for name in differing(expected, theirs)
        ]
        if differences:
            raise WorkerError(
                f"worker {address} would give other values: {'; '.join(differences)}. Use the same versions "
                f"and the same kind of processor everywhere"
            )


class WorkerError(H4HError):
    """Workers that cannot be reached, do not fit, or died too often."""
