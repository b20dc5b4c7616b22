"""Foundation of the four packages: public names that load when first used, the check that none is hidden, and
the guard of a starting command.

Stands beside the packages and imports none of them, so that it works even where one of them is hidden by a
folder of the same name.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import FrameType, TracebackType

ROOT = Path(__file__).resolve().parent
PACKAGES = ("search_space", "supernet", "objectives", "studies")
"""Each may import those before it."""
STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Signals that stop a command; Windows has no SIGHUP."""
DEBUG = "H4H_DEBUG"
"""Variable of the environment: with 1 an error shows its trace."""


class StoppedError(KeyboardInterrupt):
    """A signal that stops the command, such as Ctrl-C.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


def raise_stopped(number: int, _: FrameType | None = None) -> None:
    """Handler of a stop signal.

    Raises:
        StoppedError: Always.
    """
    raise StoppedError(number)


def exit_code(error: KeyboardInterrupt) -> int:
    """Exit code of a stopped command, as shells count it: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
    return 128 + (error.number if isinstance(error, StoppedError) else signal.SIGINT)


def is_debugging() -> bool:
    """Whether errors show their trace."""
    return os.environ.get(DEBUG, "") not in ("", "0")


def guard_start() -> None:
    """While a command imports what it needs, ends it in one line at an exception or a signal.

    Does nothing unless this process is ``python -m`` with a module of the packages, at its first import.
    """
    words = sys.orig_argv
    # `python -m` has this in place of the program while it imports the package.
    if sys.argv[:1] != ["-m"] or "-m" not in words[:-1]:
        return
    if words[words.index("-m") + 1].partition(".")[0] not in PACKAGES:
        return
    sys.excepthook = _end_start
    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, raise_stopped)


def _end_start(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Ends the process in one line."""
    if is_debugging():
        sys.__excepthook__(kind, error, trace)
    reason = " ".join(str(error).split())
    if isinstance(error, KeyboardInterrupt):
        code, line = exit_code(error), f"{reason or 'stopped'} while starting; nothing was changed"
    else:
        code = 2
        line = (
            f"error: the command cannot start ({kind.__name__}: {reason}): install the project again, or "
            f"see the trace with {DEBUG}=1"
        )
    try:
        print(line, file=sys.stderr, flush=True)
    finally:
        os._exit(code)  # Python itself would end with 1.


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


guard_start()
