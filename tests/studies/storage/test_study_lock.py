from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from studies.storage.database_file import StoreError
from studies.storage.study_lock import study_lock

ROOT = Path(__file__).parents[3]
HOLD = """
import sys, time
from pathlib import Path
from studies.storage.study_lock import study_lock
with study_lock(Path("studies.db"), sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def holding(study: str) -> subprocess.Popen[bytes]:
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, study], env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    return process


def test_it_leaves_nothing_behind(folder: Path) -> None:
    for _ in range(2):
        with study_lock(Path("studies.db"), "mine"):
            assert len(list(folder.iterdir())) == 1
        assert list(folder.iterdir()) == []
    with pytest.raises(KeyError), study_lock(Path("studies.db"), "mine"):
        raise KeyError
    assert list(folder.iterdir()) == []


def test_other_process_is_named_and_blocks_no_more_once_killed() -> None:
    process = holding("it's/mine")
    with pytest.raises(StoreError) as error, study_lock(Path("studies.db"), "it's/mine"):
        pass
    assert f"is being run by process {process.pid} ({sys.executable} -c" in str(error.value)
    assert "--study" in str(error.value)
    with study_lock(Path("studies.db"), "another study"), study_lock(Path("other.db"), "it's/mine"):
        pass
    process.kill()
    process.wait()
    with study_lock(Path("studies.db"), "it's/mine"):
        pass


def test_a_lock_whose_file_is_removed_just_then_is_taken_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock
    removed: list[Path] = []

    def flock(file: int, operation: int) -> None:
        if not removed:  # As its last holder does when it ends.
            removed.extend(folder.iterdir())
            removed[0].unlink()
        real(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with study_lock(Path("studies.db"), "mine"):
        assert list(folder.iterdir()) == removed
        with pytest.raises(StoreError, match="is being run"), study_lock(Path("studies.db"), "mine"):
            pass


def test_a_file_without_a_name_is_another_process(folder: Path) -> None:
    with study_lock(Path("studies.db"), "mine"):
        next(folder.iterdir()).write_text("")
        with (
            pytest.raises(StoreError, match="is being run by another process;"),
            study_lock(Path("studies.db"), "mine"),
        ):
            pass


def test_process_of_another_machine_is_said(folder: Path) -> None:
    with study_lock(Path("studies.db"), "mine"):
        next(folder.iterdir()).write_text('[12, "elsewhere", "python -m studies.run"]')
        with (
            pytest.raises(StoreError, match=r"process 12 on elsewhere \(python -m studies.run\)"),
            study_lock(Path("studies.db"), "mine"),
        ):
            pass


def test_a_file_that_cannot_be_made_is_said(folder: Path) -> None:
    with (
        pytest.raises(StoreError, match=r"cannot be locked: the folder .* does not exist"),
        study_lock(folder / "none" / "studies.db", "mine"),
    ):
        pass


def test_many_at_once_hold_it_one_after_the_other(folder: Path) -> None:
    # Each appends its number twice while it holds the lock, and gives it back at once.
    code = """
import sys, time
from pathlib import Path
from studies.storage.store import StoreError
from studies.storage.study_lock import study_lock
taken = 0
while taken < 20:
    try:
        with study_lock(Path("studies.db"), "mine"), open("order", "a") as file:
            for _ in range(2):
                file.write(sys.argv[1] + " ")
                file.flush()
            taken += 1
    except StoreError:
        time.sleep(0.001)
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(number)], env={"PYTHONPATH": str(ROOT)})
        for number in range(3)
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    order = Path("order").read_text().split()
    assert order[::2] == order[1::2]
    assert len(order) == 3 * 20 * 2
    assert [path.name for path in folder.iterdir()] == ["order"]


def test_links_to_a_database_share_its_lock(folder: Path) -> None:
    Path("elsewhere").mkdir()
    Path("studies.db").touch()
    link = Path("elsewhere") / "link.db"
    link.symlink_to(folder / "studies.db")
    with study_lock(Path("studies.db"), "mine"):
        with pytest.raises(StoreError, match="is being run"), study_lock(link, "mine"):
            pass
        with pytest.raises(StoreError, match="is being run"), study_lock(folder / "studies.db", "mine"):
            pass
    Path("hard.db").hardlink_to("studies.db")
    with pytest.raises(StoreError, match="2 names"), study_lock(Path("hard.db"), "mine"):
        pass
