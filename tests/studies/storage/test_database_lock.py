from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from studies.storage import database_lock as module
from studies.storage.database_lock import lock_holder

WRITE = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(60)
"""


def locking(path: Path) -> subprocess.Popen[bytes]:
    """Another process in the midst of writing."""
    process = subprocess.Popen([sys.executable, "-c", WRITE, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"locked\n"
    return process


@pytest.mark.skipif(not module.LOCKS.exists(), reason="the system does not tell")
def test_the_process_that_writes_is_named(tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (x)")
        connection.commit()
        assert lock_holder(path) == "another process"
        process = locking(path)
        try:
            found = lock_holder(path)
        finally:
            process.kill()
            process.wait()
    assert found.startswith(f"process {process.pid} ({sys.executable} -c")


def test_nobody_knows_where_the_system_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCKS", tmp_path / "none")
    (tmp_path / "studies.db").touch()
    assert lock_holder(tmp_path / "studies.db") == "another process"
    assert lock_holder(tmp_path / "none.db") == "another process"
