"""Processes that start at once: forks of a server that has imported what commands need.

For tests of what happens to a process. What is about imports, or about variables that a package reads while
it is imported, starts an interpreter of its own.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Thread
from typing import IO

ROOT = Path(__file__).parents[1]


@cache
def _server() -> socket.socket:
    """Connection to the server of this process, which ends when the connection does."""
    ours, theirs = socket.socketpair()
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.warm_server", str(theirs.fileno())],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
        start_new_session=True,
    )
    theirs.close()

    def end() -> None:
        ours.close()
        server.wait()

    atexit.register(end)
    return ours


class WarmProcess:
    """A process, with the methods of `subprocess.Popen` that tests use.

    Args:
        words: Words after `python`: ``-m MODULE``, ``-c CODE`` or a file, and arguments.
        folder: Its current folder.
        environment: Its environment.
        is_apart: Whether it leads a session of its own.
        is_silent: Whether nobody reads what it writes.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        folder: Path | None = None,
        environment: Mapping[str, str],
        is_apart: bool = False,
        is_silent: bool = False,
    ) -> None:
        pipes = [os.pipe() for _ in range(4)]
        (inside, into), (out, writes_out), (error, writes_error), (self._ended, ends) = pipes
        if is_silent:
            with open(os.devnull, "w") as nowhere:  # noqa: PTH123
                for written in (writes_out, writes_error):
                    os.dup2(nowhere.fileno(), written, inheritable=False)
        given = [inside, writes_out, writes_error, ends]
        request = {
            "words": list(words),
            "folder": str(folder or Path.cwd()),
            "environment": dict(environment),
            "session": is_apart,
        }
        server = _server()
        socket.send_fds(server, [json.dumps(request).encode()], given)
        for descriptor in given:
            os.close(descriptor)
        self.args = ["python", *words]
        self.pid = int.from_bytes(server.recv(8), "little")
        self.returncode: int | None = None
        self.stdin: IO[str] = os.fdopen(into, "w", encoding="utf-8")
        self.stdout: IO[str] = os.fdopen(out, encoding="utf-8")
        self.stderr: IO[str] = os.fdopen(error, encoding="utf-8")

    def __enter__(self) -> WarmProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self.communicate()

    def poll(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None while it runs."""
        return self._found(0)

    def wait(self, timeout: float | None = None) -> int:
        """The same, when it has ended."""
        code = self._found(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What else it writes until it ends."""
        start = time.monotonic()
        if not self.stdin.closed:
            self.stdin.close()
        texts = ["", ""]

        def read(place: int, stream: IO[str]) -> None:
            texts[place] = stream.read()

        streams = (self.stdout, self.stderr)
        readers = [Thread(target=read, args=pair, daemon=True) for pair in enumerate(streams)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(None if timeout is None else max(0, start + timeout - time.monotonic()))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
        for stream in streams:
            stream.close()
        self.wait(None if timeout is None else max(0, start + timeout - time.monotonic()))
        return texts[0], texts[1]

    def send_signal(self, number: int) -> None:
        """Signals it, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kills it, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def _found(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], timeout)[0]:
            content = os.read(self._ended, 8)
            os.close(self._ended)
            assert content, "the server of processes ended"
            self.returncode = int.from_bytes(content, "little", signed=True)
        return self.returncode


def completed(
    words: Sequence[str], *, folder: Path | None = None, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """The same as `subprocess.run` gives it, with its output."""
    process = WarmProcess(words, folder=folder, environment=environment)
    out, error = process.communicate()
    assert process.returncode is not None
    return subprocess.CompletedProcess(process.args, process.returncode, out, error)
