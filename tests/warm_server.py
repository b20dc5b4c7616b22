"""A process that has imported what commands need, and forks one process for each that a test starts.

Run by `warm_process.py`: `python -m tests.warm_server DESCRIPTOR`, where DESCRIPTOR is one end of a socket.
A request has JSON with the words after `python`, the folder and the environment, and the descriptors of
stdin, stdout, stderr and of a pipe for the end. The server answers with the number of the process, and writes
into the pipe how it ended.

Nothing runs in the server but imports, so forks have one thread and start as a new interpreter does, but for
what reads the environment while it is imported, and for the order of sets of texts, which all forks share.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

MODULES = (
    "distributed",
    "moocore",
    "objectives.accuracy_objective",
    "objectives.workers.dask_team",
    "objectives.workers.local_team",
    "studies.launch.plan_objects",
    "studies.run",
    "studies.samplers.optuna_gp",
    "studies.samplers.optuna_nsga2",
    "studies.samplers.optuna_nsga3",
    "studies.samplers.optuna_qmc",
    "studies.samplers.optuna_tpe",
    "studies.samplers.rnsga2",
    "studies.samplers.sms",
    "studies.samplers.surrogate",
    "supernet.images.evaluation_pack",
    "supernet.training.supernet_trainer",
    "tests.studies.quality",
    "torch",
)
"""What the server has imported."""


def serve(requests: socket.socket) -> dict[str, Any] | None:
    """Forks a process for each request. Returns the request there, and None in the server at the end."""
    running: dict[int, int] = {}
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj == wake:
                    os.read(wake, 1024)
                    continue
                content, descriptors, _, _ = socket.recv_fds(requests, 1 << 20, 4)
                if not content:
                    return None
                child = os.fork()
                if child == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    for descriptor in (wake, woken, descriptors[3], *running.values()):
                        os.close(descriptor)
                    request: dict[str, Any] = json.loads(content)
                    return request | {"streams": descriptors[:3]}
                for descriptor in descriptors[:3]:
                    os.close(descriptor)
                running[child] = descriptors[3]
                requests.sendall(child.to_bytes(8, "little"))
            _report(running)


def _report(running: dict[int, int]) -> None:
    """Writes how processes ended into their pipes."""
    while running:
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        pipe = running.pop(child)
        with suppress(BrokenPipeError):  # The test is no longer interested.
            os.write(pipe, os.waitstatus_to_exitcode(status).to_bytes(8, "little", signed=True))
        os.close(pipe)


def become(request: dict[str, Any]) -> None:
    """Runs in this process what `python` would with the words of the request."""
    if request["session"]:
        os.setsid()
    for place, descriptor in enumerate(request["streams"]):
        os.dup2(descriptor, place)
        os.close(descriptor)
    # The old streams know what kind of files they had.
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, "utf-8", "backslashreplace", closefd=False)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    paths = [str(Path.cwd()), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    sys.path[:] = paths + sys.path[1:]
    importlib.invalidate_caches()
    kind, *words = request["words"]
    if kind == "-m":
        sys.modules.pop(words[0], None)  # It runs anew.
        sys.argv = words
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *words[1:]]
        main = sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(words[0], "<string>", "exec"), vars(main))
    else:
        sys.argv = [kind, *words]
        runpy.run_path(kind, run_name="__main__")


def main() -> None:
    for module in MODULES:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # Forks share the memory of what is there.
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        request = serve(requests)
    if request is not None:
        try:
            become(request)
        except SystemExit as ended:
            _end(ended.code)
        _end(None)


def _end(code: object) -> NoReturn:
    """Ends the process as Python does, but takes none of the imported modules apart."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    main()
