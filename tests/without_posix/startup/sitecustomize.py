"""Takes away from our packages what only POSIX systems have, as soon as Python starts.

Python imports this module by its name from `PYTHONPATH`, in every process of a test run. The standard
library, torch and NumPy keep what they need of the system they were built for: a module of ours that imports
`os` gets one without the functions that Windows lacks, and one that imports `fcntl` gets an error.
"""

from __future__ import annotations

import builtins
import io
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

OURS = ("h4h", "h4h_packages", "h4h_start", "search_space", "supernet", "objectives", "studies", "filelock")
"""Packages without POSIX; `filelock` chooses a lock by what there is."""
ABSENT_MODULES = {"fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "syslog", "posix"}
ABSENT = {
    "os": (
        *(
            "fork",
            "forkpty",
            "register_at_fork",
            "getuid",
            "geteuid",
            "getgid",
            "getegid",
            "getpgid",
            "setsid",
        ),
        *("killpg", "wait4", "mkfifo", "chown", "fchown", "statvfs", "getloadavg", "uname", "nice", "sync"),
        *("sched_getaffinity", "sched_setaffinity", "pread", "pwrite", "fdatasync", "memfd_create"),
        *("posix_fadvise", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_TMPFILE"),
    ),
    "signal": (
        *("SIGHUP", "SIGKILL", "SIGSTOP", "SIGCONT", "SIGQUIT", "SIGPIPE", "SIGCHLD", "SIGALRM", "SIGUSR1"),
        *("SIGUSR2", "SIG_BLOCK", "SIG_SETMASK", "pthread_sigmask", "pthread_kill", "sigwait", "alarm"),
        *("setitimer", "pause"),
    ),
}
BETWEEN = {"pathlib", "io", "contextlib", "os", "genericpath", "posixpath", __name__}
"""Modules through which ours reach files."""


class Part(ModuleType):
    """A module of the system without some of its names; the others are looked up in it each time."""

    def __init__(self, whole: ModuleType, absent: Sequence[str], instead: Mapping[str, Any]) -> None:
        super().__init__(whole.__name__)
        self.__dict__.update(instead, _whole=whole, _absent=frozenset(absent))

    def __getattr__(self, name: str) -> Any:
        if name in self._absent:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(self._whole, name)


def access(path: Any, mode: int, *, effective_ids: bool = False) -> bool:
    if effective_ids:
        raise NotImplementedError("access: effective_ids unavailable on this platform")
    return os.access(path, mode)


def is_ours(name: str) -> bool:
    return name.partition(".")[0] in OURS


def calls_for_us() -> bool:
    """Whether the nearest caller outside of `BETWEEN` is a module of ours."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") in BETWEEN:
        frame = frame.f_back  # type: ignore[assignment]
    return frame is not None and is_ours(frame.f_globals.get("__name__", ""))


PARTS = {
    "os": Part(os, ABSENT["os"], {"access": access, "supports_effective_ids": frozenset()}),
    "signal": Part(signal, ABSENT["signal"], {}),
}
whole_import, whole_open, whole_home = builtins.__import__, io.open, Path.home


def imported(
    name: str,
    globals: Mapping[str, Any] | None = None,
    locals: Mapping[str, Any] | None = None,
    fromlist: Sequence[str] = (),
    level: int = 0,
) -> ModuleType:
    module = whole_import(name, globals, locals, fromlist, level)
    if level or not is_ours((globals or {}).get("__name__", "")):
        return module
    if name in ABSENT_MODULES:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return PARTS.get(module.__name__, module)


def opened(file: Any, *arguments: Any, **options: Any) -> Any:
    if str(file).startswith("/proc") and calls_for_us():
        raise FileNotFoundError(2, "No such file or directory", str(file))
    return whole_open(file, *arguments, **options)


def home() -> Path:
    if calls_for_us():
        raise RuntimeError("Could not determine home directory.")
    return whole_home()


builtins.__import__ = imported  # type: ignore[assignment]
builtins.open = io.open = opened
Path.home = staticmethod(home)  # type: ignore[method-assign]
