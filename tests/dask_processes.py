"""A Dask scheduler and workers as processes of their own, for tests that stop and kill them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import distributed

from tests.warm_process import ROOT, WarmProcess


class DaskProcesses:
    """A scheduler and its workers; a context manager that kills them.

    Args:
        folder: Gets the file in which the scheduler writes its address.
        options: Further options of `dask scheduler`.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        file = folder / "scheduler.json"
        words = ["--port", "0", "--no-dashboard", "--no-jupyter", "--host", "127.0.0.1"]
        self._all: list[subprocess.Popen[bytes] | WarmProcess] = []
        self.scheduler = self._start(
            "distributed.cli.dask_scheduler", *words, "--scheduler-file", str(file), *options
        )
        deadline = time.monotonic() + 60
        while not (written := file.read_text() if file.exists() else "").endswith("}"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        self.address = str(json.loads(written)["address"])

    def __enter__(self) -> DaskProcesses:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._all:
            process.kill()
            process.communicate()

    def worker(self, *options: str, path: Path = ROOT, is_warm: bool = True, **environment: str) -> None:
        """Starts a worker of one process and one thread.

        Args:
            *options: Further options of `dask worker`.
            path: Folder of the packages.
            is_warm: Whether it is a fork of a process that has imported what a worker needs.
            **environment: Further variables.
        """
        words = [self.address, "--no-nanny", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"]
        module = "distributed.cli.dask_worker"
        self._start(module, *words, *options, path=path, is_warm=is_warm, **environment)

    def wait_for(self, workers: int, security: distributed.Security | None = None) -> None:
        """Waits until the cluster has so many workers."""
        with distributed.Client(self.address, security=security, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=120)

    def _start(
        self, module: str, *words: str, path: Path = ROOT, is_warm: bool = True, **environment: str
    ) -> WarmProcess | subprocess.Popen[bytes]:
        variables = {**os.environ, "PYTHONPATH": str(path), **environment}
        process: WarmProcess | subprocess.Popen[bytes]
        if is_warm:
            process = WarmProcess(
                ["-m", module, *words],
                folder=path,
                environment=variables,
                is_apart=True,
                is_silent=True,
            )
        else:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                env=variables,
                cwd=path,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._all.append(process)
        return process


def certificates(folder: Path) -> Sequence[str]:
    """Files of a CA, a certificate and its key, made by the openssl program."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost"),
        ],
        check=True,
        capture_output=True,
    )
    return str(certificate), str(certificate), str(key)
