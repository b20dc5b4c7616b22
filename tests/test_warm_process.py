"""A warm process is what an interpreter of its own would be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.warm_process import ROOT, WarmProcess, completed

ENVIRONMENT = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OWN": "1"}
STATE = """
import json, os, sys, threading
print(json.dumps({
    "folder": os.getcwd(), "environment": dict(os.environ), "argv": sys.argv, "name": __name__,
    "asked": sys.stdin.read(), "threads": threading.active_count(), "pid": os.getpid(),
    "session": os.getsid(0), "path": sys.path[:2],
}))
print("written", file=sys.stderr)
sys.exit(7)
"""


def test_it_has_its_own_words_folder_environment_streams_and_exit_code(tmp_path: Path) -> None:
    process = WarmProcess(["-c", STATE, "a", "b"], folder=tmp_path, environment=ENVIRONMENT, is_apart=True)
    process.stdin.write("input")
    out, error = process.communicate()
    assert (process.returncode, error) == (7, "written\n")
    assert json.loads(out) == {
        "folder": str(tmp_path),
        "environment": ENVIRONMENT,
        "argv": ["-c", "a", "b"],
        "name": "__main__",
        "asked": "input",
        "threads": 1,
        "pid": process.pid,
        "session": process.pid,
        "path": [str(tmp_path), str(ROOT)],
    }


def test_modules_and_files_run_as_main(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys\nassert __name__ == '__main__'\nprint(*sys.argv)\n")
    done = completed([str(script), "x"], folder=tmp_path, environment=ENVIRONMENT)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{script} x\n", "")
    done = completed(["-m", "studies.run", "--objectives", "nothing"], environment=ENVIRONMENT)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("error: ")


def test_uncaught_errors_and_signals_are_seen(tmp_path: Path) -> None:
    done = completed(["-c", "1 / 0"], environment=ENVIRONMENT)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ZeroDivisionError: division by zero"
    waits = "import time\nprint('ready', flush=True)\ntime.sleep(60)"
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        with WarmProcess(["-c", waits], environment=ENVIRONMENT) as process:
            assert process.stdout.readline() == "ready\n"
            assert process.poll() is None
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.01)
            os.kill(process.pid, number)
            assert process.wait(30) == -number
