"""The guard of a starting command: a signal or an exception during its imports ends it in one line.

The first import of the four packages, so it imports nothing that Python itself does not need to start: what
is loaded before it is not guarded.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType, TracebackType

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


guard_start()
