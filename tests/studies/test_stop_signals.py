"""Signals to a real `studies.run`: while it starts, during a search, and twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.studies import killed_run

ROOT = Path(__file__).parents[2]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.mark.slow
@pytest.mark.parametrize("number", CODES)
def test_a_run_ends_after_the_group_at_hand_and_says_how_to_go_on(
    number: signal.Signals, tmp_path: Path
) -> None:
    words = ("--generations", "400", "--study", "mine")
    process = killed_run.start(tmp_path, *words)
    while killed_run.count(tmp_path / "studies.db") == 0:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    out, error = process.communicate()
    assert process.returncode == CODES[number]
    assert error.splitlines() == [
        "stopping after the group at hand; a second signal stops at once",
        f"stopped by {number.name}",
    ]
    assert "to resume" in out
    assert "python -m studies.run --objectives quality,params,lat --study mine" in out


@pytest.mark.slow
@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("delay", [0.1, 0.4])
def test_a_signal_while_starting_is_one_line(number: signal.Signals, delay: float, tmp_path: Path) -> None:
    code = (
        "import builtins, runpy, sys, time\n"
        "sys.orig_argv, sys.argv = ['python', '-m', 'studies.run'], ['-m']\n"
        "import studies\n"
        "print('guarded', flush=True)\n"
        "sys.argv = ['studies.run', '--objectives', 'macs', '--generations', '9']\n"
        "runpy.run_module('studies.run', run_name='__main__')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "guarded\n"
    time.sleep(delay)
    process.send_signal(number)
    _, error = process.communicate()
    assert process.returncode == CODES[number]
    assert error.splitlines()[-1].startswith(f"stopped by {number.name}")
    assert "Traceback" not in error


def test_a_module_that_cannot_be_imported_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "rich.py").write_text("raise RuntimeError('broken\\ninstallation')")
    for debug in ("", "1"):
        ended = subprocess.run(
            [sys.executable, "-m", "studies.show"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "H4H_DEBUG": debug},
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 2
        lines = ended.stderr.splitlines()
        assert lines[-1].startswith("error: the command cannot start (RuntimeError: broken installation)")
        assert (len(lines) > 1) == bool(debug)


def test_output_on_a_full_disk_is_one_line(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "search_space.describe"],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert ended.returncode == 2
    assert ended.stderr == (
        "error: output cannot be written (No space left on device): free disk space and repeat the command\n"
    )


@pytest.mark.parametrize("package", ["search_space", "supernet", "objectives", "studies"])
def test_the_guard_is_loaded_before_all_that_takes_long(package: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {package}"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    loaded = [line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()]
    before = loaded[: loaded.index("h4h_start")]
    assert not {"typing", "pathlib", "re", "h4h_packages"} & set(before)
    assert "pathlib" in loaded  # The names are those of modules.
