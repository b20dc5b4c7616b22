"""Foundation of the four packages: public names that load when first used, and the check that none is hidden.

Stands beside the packages and imports none of them, so that it works even where one of them is hidden by a
folder of the same name.
"""

from __future__ import annotations

from h4h_start import PACKAGES  # First, since it guards the imports that follow.

# isort: split

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package whose public names are imported when first used (PEP 562).

    Args:
        package: Name of the package.
        homes: Module of each public name; ``module:name`` where the name is another one there.
    """

    def get(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module, _, original = homes[name].partition(":")
        value: object = getattr(import_module(module), original or name)
        setattr(sys.modules[package], name, value)  # The next use finds it without this function.
        return value

    def listed() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return get, listed


def check_packages(package: str) -> None:
    """Refuses to go on where something in the path hides a package that `package` needs.

    `python -m` looks into the current folder first, so a folder or file there may have the name of a package.

    Raises:
        ImportError: A package would be imported from another place.
        SystemExit: The same in a command, after one line on stderr.
    """
    for needed in PACKAGES[: PACKAGES.index(package)]:
        spec = find_spec(needed)
        if spec is None or spec.origin is None:  # Not installed: the import says so.
            continue
        origin = Path(spec.origin).resolve()
        if origin.parent != ROOT / needed:
            hiding = origin.parent if origin.name == "__init__.py" else origin
            message = (
                f"{hiding} hides the package {needed!r} of H4H-NAS in {ROOT}: rename it, or run from another "
                f"folder"
            )
            if sys.argv[:1] == ["-m"]:  # What `python -m` has there while it imports the package.
                print(f"error: {message}", file=sys.stderr)
                raise SystemExit(2)
            raise ImportError(message)
