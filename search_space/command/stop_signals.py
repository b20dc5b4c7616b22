"""Signals that stop a command: Ctrl-C, SIGTERM and SIGHUP.

Each raises `StoppedError`. A command that stores its work may wait for the end of a step first, see
`StopRequest`.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from h4h_start import STOP_SIGNALS, StoppedError, raise_stopped

Handler = Callable[[int, FrameType | None], object]


@contextmanager
def stopping(handler: Handler = raise_stopped) -> Iterator[None]:
    """Sends stop signals to `handler`. A signal that the caller of the process ignores stays ignored.

    Outside the main thread nothing changes, since Python delivers signals to that thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    for number, earlier in before.items():
        if earlier is not signal.SIG_IGN:  # `nohup` ignores SIGHUP.
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


class StopRequest:
    """A wish to stop that is granted at the end of a step.

    Until `begin` every signal stops the command at once. After it, the first signal is noted and `check`
    raises; a second signal stops the command at once.
    """

    def __init__(self) -> None:
        self._has_begun = False
        self._asked: int | None = None

    def __call__(self, number: int, _: FrameType | None = None) -> None:
        """Handles a signal."""
        if not self._has_begun or self._asked is not None:
            raise StoppedError(number)
        self._asked = number
        with suppress(OSError):  # The terminal may be gone.
            print(
                "stopping after the group at hand; a second signal stops at once", file=sys.stderr, flush=True
            )

    def begin(self) -> None:
        """Marks the start of the first step."""
        self._has_begun = True

    def check(self) -> None:
        """Marks the end of a step.

        Raises:
            StoppedError: A signal came during the step.
        """
        if self._asked is not None:
            raise StoppedError(self._asked)
