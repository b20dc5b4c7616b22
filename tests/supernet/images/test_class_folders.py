"""Listing of class folders: files that count, and files that are skipped, with the reasons."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from torchvision.datasets import ImageFolder

from supernet.images.class_folders import class_folders, listed_test
from supernet.images.folder_layouts import DatasetError
from tests.supernet.image_files import write_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path / "train", images=3, size=(4, 4))
    return tmp_path / "train"


def lines(folder: Path) -> str:
    return "; ".join(class_folders(folder).skipped.lines())


def names(folder: Path) -> list[str]:
    return [os.path.relpath(path, folder) for path in class_folders(folder).paths]


def test_order_is_torchvision_s(folder: Path) -> None:
    for path in ("cat/x/1.png", "cat/x-1/1.png", "cat/x/y/2.png", "cat/B.PNG", "dog/2.JPG", "dog/10.jpeg"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    expected = ImageFolder(folder)
    found = class_folders(folder)
    assert list(zip(found.paths, found.labels, strict=True)) == expected.samples
    assert list(found.classes) == expected.classes
    assert found.counts == (7, 5)


def test_clean_folder_has_nothing_to_say(folder: Path) -> None:
    assert lines(folder) == ""


def test_hidden_names_are_skipped_and_counted(folder: Path) -> None:
    before = names(folder)
    write_folder(folder / ".ipynb_checkpoints", images=1, size=(4, 4))
    (folder / "cat" / "._000.png").touch()
    (folder / "cat" / "Thumbs.db").touch()
    (folder / "__MACOSX" / "cat").mkdir(parents=True)
    (folder / "dog" / ".thumbnails").mkdir()
    (folder / "dog" / ".thumbnails" / "1.png").touch()
    assert names(folder) == before
    assert lines(folder).startswith("5 hidden or system files and folders skipped")


def test_other_formats_are_taken_or_named(folder: Path) -> None:
    taken = ("a.gif", "a.jfif", "a.TIFF", "a.bmp", "a.webp", "a.avif")
    for name in (*taken, "a.heic", "b.HEIC", "c.mp4", "README"):
        (folder / "cat" / name).touch()
    (folder / "notes.txt").touch()
    (folder / "loose.png").touch()
    assert [name for name in names(folder) if name.startswith("cat/a")] == [
        f"cat/{name}" for name in sorted(taken)
    ]
    text = lines(folder)
    assert "5 files skipped, no picture format: 2 .heic, " in text
    assert "1 without suffix" in text
    assert "convert .heic to .jpg" in text
    assert "1 files skipped, beside the folders of the classes: loose.png" in text


def test_pipes_are_skipped(folder: Path) -> None:
    os.mkfifo(folder / "cat" / "x.png")
    assert "1 .png" in lines(folder)


def test_nested_folders_are_said(folder: Path) -> None:
    write_folder(folder / "cat" / "more", classes=["tabby"], images=2, size=(4, 4))
    assert class_folders(folder).counts == (5, 3)
    assert "2 folders lie inside of a class, and their pictures count for it: " in lines(folder)
    assert "cat/more/tabby" in lines(folder)


def test_each_file_counts_once(folder: Path) -> None:
    before = names(folder)
    (folder / "cat" / "link.png").symlink_to(folder / "cat" / "000.png")
    (folder / "dog" / "other.png").symlink_to("../cat/001.png")
    (folder / "dog" / "self").symlink_to(".")
    (folder / "dog" / "loop.png").symlink_to("loop.png")
    assert [name for name in names(folder) if name != "dog/loop.png"] == before
    assert "3 files skipped, the same file by a link as one before: " in lines(folder)


def test_linked_folder_counts_as_a_class(folder: Path, tmp_path: Path) -> None:
    write_folder(tmp_path / "elsewhere", classes=["emu"], images=2, size=(4, 4))
    (folder / "emu").symlink_to(tmp_path / "elsewhere" / "emu")
    assert class_folders(folder).counts == (3, 3, 2)


def test_link_without_target_is_listed_so_that_reading_names_it(folder: Path) -> None:
    (folder / "cat" / "zz.jpg").symlink_to("/nonexistent.jpg")
    assert names(folder)[3] == "cat/zz.jpg"


def test_no_file_is_in_both_splits(folder: Path, tmp_path: Path) -> None:
    train = class_folders(folder)
    write_folder(tmp_path / "val", images=1, size=(4, 4), seed=1)
    (tmp_path / "val" / "cat" / "x.png").symlink_to(folder / "cat" / "000.png")
    test = listed_test(tmp_path / "val", train)
    assert len(test.paths) == 2
    assert "1 files skipped, the same file by a link" in next(test.skipped.lines())
    (tmp_path / "same").symlink_to(folder)
    with pytest.raises(DatasetError, match=r"same holds no test pictures: .*6 files skipped, the same file"):
        listed_test(tmp_path / "same", train)


def test_many_classes(tmp_path: Path) -> None:
    for number in range(2000):
        (tmp_path / f"{number:04}").mkdir()
        (tmp_path / f"{number:04}" / "1.png").touch()
    assert class_folders(tmp_path).counts == (1,) * 2000
    for number in range(2000):
        (tmp_path / f"{number:04}" / "1.png").unlink()
    with pytest.raises(DatasetError, match=r"no pictures of 2000 of 2000 classes \(0000, 0001, 0002, \.\.\."):
        class_folders(tmp_path)


def test_folder_without_permission(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def refused(path: Path) -> object:
        if Path(path).name == "dog":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(DatasetError, match=r"folder .*dog cannot be read \(Permission denied\)"):
        class_folders(folder)


def test_names_that_are_no_utf8(folder: Path) -> None:
    (folder / "cat" / "000.png").rename(folder / "cat" / os.fsdecode(b"caf\xe9.png"))
    assert len(names(folder)) == 6
    (folder / os.fsdecode(b"\xff")).mkdir()
    with pytest.raises(DatasetError, match=r"class folder .*train/\\xff is no UTF-8: rename it"):
        class_folders(folder)
