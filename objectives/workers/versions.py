"""Version checks that keep values from different workers comparable."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata

from search_space.errors import H4HError
from search_space.files.setting_differences import differing

_PACKAGES = ("h4h-nas", "numpy", "distributed")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that compute or transfer values, and the kind of CPU kernels."""
    import torch

    from supernet.network.number_formats import kernel_instructions

    package_versions = {package: metadata.version(package) for package in _PACKAGES}
    # torch chooses kernels by the CPU's instructions, and kernels differ in rounding.
    return {
        "Python": platform.python_version(),
        **package_versions,
        "torch": str(torch.__version__),
        "CPU kernels": kernel_instructions(),
    }


def check_versions(expected: Mapping[str, str], reported: Mapping[str, Mapping[str, str]]) -> None:
    """Refuses workers whose values would differ.

    Args:
        expected: `versions` of this process.
        reported: `versions` of each worker, by its address.

    Raises:
        WorkerError: The versions of a worker differ. The message names the worker and each difference.
    """
    for address, theirs in reported.items():
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
    """Workers that cannot be reached, have other versions, or died too often."""
