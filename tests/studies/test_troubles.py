"""Full disk, no right to write, locked, run twice: one line, nothing lost, the same table afterwards."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from search_space.command.command_line import run_command
from studies import run
from studies.storage import database_file, store
from studies.storage.store import open_store

ROOT = Path(__file__).parents[2]
QUICK = ("--objectives", "macs,params", "--population", "20", "--study", "mine")
GENERATIONS = ("--generations", "15")
NOBODY = 65534


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    """The table of a run that met no trouble."""
    path = tmp_path_factory.mktemp("whole") / "studies.db"
    run.main([*QUICK, *GENERATIONS, "--db", str(path)])
    return rows(path)


def rows(path: Path | str) -> list[tuple[object, ...]]:
    """The evaluations of a database as they are."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT * FROM evaluation ORDER BY study, number").fetchall()


def start(*arguments: str, before: Callable[[], object] = int) -> subprocess.Popen[str]:
    """`studies.run` in another process."""
    return subprocess.Popen(
        [sys.executable, "-m", "studies.run", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Under a limit on file sizes Python would leave bytecode that is cut short.
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=before,
    )


def fails(capsys: pytest.CaptureFixture[str], arguments: Sequence[str]) -> str:
    """The one line on stderr of a command that exits with 2."""
    with pytest.raises(SystemExit) as exit_:
        run_command(lambda: run.main(arguments))
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def kept(whole: list[tuple[object, ...]]) -> int:
    """Number of rows, all of them the first ones of an undisturbed run."""
    found = rows("studies.db")
    assert found == whole[: len(found)]
    return len(found)


def test_full_disk(
    whole: list[tuple[object, ...]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run.main([*QUICK, "--generations", "1"])
    capsys.readouterr()
    real = database_file.connect

    def connect(path: Path, *, writable: bool) -> sqlite3.Connection:
        connection = real(path, writable=writable)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        # SQLite finds no room for a page more, and says so as it does for a full disk.
        connection.execute(f"PRAGMA max_page_count = {pages + 3}")
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(store, "connect", connect)
        error = fails(capsys, [*QUICK, *GENERATIONS])
    assert "studies.db" in error
    assert "(database or disk is full); stored evaluations are safe: free disk space" in error
    assert 20 <= kept(whole) < len(whole)
    run.main([*QUICK, *GENERATIONS])
    assert rows("studies.db") == whole


def test_disk_that_takes_no_more_bytes(whole: list[tuple[object, ...]]) -> None:
    # The system refuses to write beyond a size: the log of the database cannot grow.
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    process = start(*QUICK, *GENERATIONS, before=limit)
    _, error = process.communicate()
    assert process.returncode == 2
    assert re.fullmatch(r"error: database studies\.db cannot be read or written \(.*\); .*\n", error)
    assert 0 < kept(whole) < len(whole)
    run.main([*QUICK, *GENERATIONS])
    assert rows("studies.db") == whole


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="only root may make a small disk"
)
def test_a_real_small_disk(whole: list[tuple[object, ...]], folder: Path) -> None:
    (folder / "disk").mkdir()
    command = (
        'mount -t tmpfs -o size=120k none disk || exit 77; "$@" --db disk/studies.db; code=$?; '
        "ls -A disk > left; cp disk/studies.db* . ; exit $code"
    )
    words = ["unshare", "--mount", "sh", "-c", command, "sh", sys.executable, "-m", "studies.run"]
    result = subprocess.run(
        [*words, *QUICK, *GENERATIONS],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    if result.returncode == 77 or "unshare:" in result.stderr:
        pytest.skip("this machine lets nobody mount")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "cannot be read or written (database or disk is full)" in result.stderr
    assert "lock" not in Path("left").read_text()  # The log stays: no room to merge it.
    assert 0 < kept(whole) < len(whole)
    run.main([*QUICK, *GENERATIONS])
    assert rows("studies.db") == whole


@pytest.fixture
def unprivileged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder of a user for whom permissions hold, as they do not for root."""
    if os.geteuid() != 0:
        yield folder
        return
    own = Path(tempfile.mkdtemp())
    try:
        os.chown(own, NOBODY, NOBODY)
        monkeypatch.chdir(own)
        os.seteuid(NOBODY)
        yield own
    finally:
        os.seteuid(0)
        shutil.rmtree(own)


@pytest.mark.posix  # Elsewhere the database itself finds out, and says so in its own words.
@pytest.mark.parametrize("name", [".", "studies.db"])
def test_read_only_file_or_folder(
    unprivileged: Path, whole: list[tuple[object, ...]], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    run.main([*QUICK, "--generations", "2"])
    capsys.readouterr()
    before = {path.name: path.read_bytes() for path in unprivileged.iterdir()}
    path = unprivileged / name
    mode = path.stat().st_mode
    path.chmod(mode & ~0o222)
    try:
        assert ("no file can be made in" if name == "." else "cannot be written") in fails(
            capsys, [*QUICK, *GENERATIONS]
        )
        with open_store(Path("studies.db")) as reader:  # Looking at it is allowed.
            assert reader.count("mine") == 40
        assert {path.name: path.read_bytes() for path in unprivileged.iterdir()} == before
    finally:
        path.chmod(mode)
    run.main([*QUICK, *GENERATIONS])
    assert rows("studies.db") == whole


@pytest.mark.posix
def test_locked_by_another_program_names_it(
    whole: list[tuple[object, ...]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run.main([*QUICK, "--generations", "2"])
    capsys.readouterr()
    monkeypatch.setattr(database_file, "BUSY_TIMEOUT_S", 0.1)
    code = (
        "import sqlite3, time; c = sqlite3.connect('studies.db', isolation_level=None); "
        "c.execute('BEGIN IMMEDIATE'); print('locked', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        error = fails(capsys, [*QUICK, *GENERATIONS])
    finally:
        process.kill()
        process.wait()
    holder = f"process {process.pid} ({sys.executable} -c" if Path("/proc/locks").exists() else "another"
    assert f"database studies.db has been locked by {holder}" in error
    assert kept(whole) == 40
    run.main([*QUICK, *GENERATIONS])
    assert rows("studies.db") == whole


def test_the_same_study_twice_at_once(
    whole: list[tuple[object, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    longer = ("--generations", "40")
    # Stopped in its midst, as long as the test needs it.
    process = start(*QUICK, *longer)
    while not list(Path.cwd().glob(".studies.db-*.lock")) or not Path("studies.db").exists():
        assert process.poll() is None
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGSTOP)
    try:
        assert process.poll() is None
        error = fails(capsys, [*QUICK, *longer])
        assert f"study 'mine' in studies.db is being run by process {process.pid} ({sys.executable} " in error
        assert "-m studies.run --objectives macs,params" in error
    finally:
        os.kill(process.pid, signal.SIGCONT)
    # Another study of the same file is none of its business.
    run.main([*QUICK[:-1], "other", "--generations", "1"])
    out, error = process.communicate()
    assert (process.returncode, error) == (0, "")
    assert "Pareto front" in out
    with open_store(Path("studies.db")) as reader:
        assert reader.count("mine") == 800
        assert reader.count("other") == 20
    assert rows("studies.db")[: len(whole)] == whole
