"""Event files for TensorBoard, read by its own reader."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from search_space.files import event_file
from search_space.files.event_file import EventFile, EventFileError, check_event_folder, scalars


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values of every tag in `folder`, as TensorBoard shows them."""
    reader = EventAccumulator(str(folder)).Reload()
    return {tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def test_values_are_read_back_and_are_on_disk_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    with EventFile(folder) as file:
        assert not folder.exists()
        file.add(1, {"loss/largest": 0.5, "seconds": 2.0})
        assert curves(folder) == {"loss/largest": [(1, 0.5)], "seconds": [(1, 2.0)]}
        file.add(2, {"loss/largest": math.nan})
    loss = curves(folder)["loss/largest"]
    assert loss[0] == (1, 0.5)
    assert loss[1][0] == 2
    assert math.isnan(loss[1][1])


def test_a_resumed_run_hides_the_steps_that_it_repeats(tmp_path: Path) -> None:
    with EventFile(tmp_path) as file:
        for step in (1, 2, 3):
            file.add(step, {"loss": float(step)})
    for path in tmp_path.iterdir():  # Files are read in the order of their names, which begin with the time.
        path.rename(path.with_name(path.name.replace("tfevents.", "tfevents.0")))
    with EventFile(tmp_path) as file:
        file.add(2, {"loss": 20.0})
    assert curves(tmp_path) == {"loss": [(1, 1.0), (2, 20.0)]}


def test_numbers_of_a_record() -> None:
    record = {"epoch": 2, "loss": {"largest": 0.5, "deep": {"er": 1}}, "phase": "a", "done": True, "no": None}
    assert scalars(record) == {"epoch": 2.0, "loss/largest": 0.5, "loss/deep/er": 1.0}


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "inside"):
        with pytest.raises(EventFileError, match=rf"--tensorboard {folder}: {file} is not a folder"):
            check_event_folder(folder)
    check_event_folder(tmp_path / "new" / "run")
    assert [*tmp_path.iterdir()] == [file]


def test_without_the_package_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_file, "PACKAGE", "tensorbored")
    with pytest.raises(EventFileError, match="needs the package tensorbored: pip install tensorbored"):
        check_event_folder(tmp_path)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="a folder that nobody can write, root included")
def test_a_folder_that_only_looks_writable_is_refused() -> None:
    with pytest.raises(EventFileError, match=r"--tensorboard /proc/x: no file can be made in /proc \("):
        check_event_folder(Path("/proc/x"))
