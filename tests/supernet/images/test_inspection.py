"""Inspection of image folders: figures, broken files, copies, and warnings."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from supernet.images import inspection
from supernet.images.class_folders import class_folders
from supernet.images.folder_layouts import DatasetError
from supernet.images.inspection import check_readable, copies, facts, inspected, look, summary
from supernet.images.picture_file import UnreadableImageError
from supernet.images.search_split import cut
from tests.supernet.image_files import noise, write_folder

FORMATS = ("jpg", "png", "gif", "webp", "bmp", "tiff")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_folder(tmp_path / "train", images=20)
    write_folder(tmp_path / "val", images=4, seed=1)
    return tmp_path


def text(folder: Path) -> str:
    return "\n".join(summary(inspected(folder)))


def test_figures_are_those_of_the_split_that_training_makes(photos: Path) -> None:
    found = inspected(photos)
    labels = class_folders(photos / "train").labels
    split = cut(torch.tensor(labels), 0)
    assert found.search == tuple(np.bincount(np.array(labels)[split.search]).tolist())
    lines = text(photos).splitlines()
    assert "40 images of 2 classes, 4 of them for the search; 8 test images in" in lines[0]
    assert lines[2].split() == ["cat", "18", "2", "50.0%", "4", "50.0%"]
    assert "train: sizes 40 of 20x16; modes 40 RGB" in lines
    assert lines[-1] == "always 'cat' is right on 50.0% of search images, 50.0% of test images"


def test_imbalance_is_warned_of_with_the_majority_baseline(photos: Path) -> None:
    for number in range(80):
        Image.fromarray(noise((4, 4, 3), number)).save(photos / "train" / "cat" / f"more{number}.png")
    shutil.rmtree(photos / "val" / "cat")
    report = text(photos)
    # 100 cats give 10 of 12 search images; the test split has none.
    assert "always 'cat' is right on 83.3% of search images, 0.0% of test images" in report
    assert "warning: class 'cat' has 100 images and 'dog' 20" in report
    assert "--class-weights balanced" in report
    assert "note: " in report
    assert "val holds no pictures of 1 classes (cat)" in report


def test_class_with_one_image_is_named(photos: Path) -> None:
    for path in sorted((photos / "train" / "dog").iterdir())[1:]:
        path.unlink()
    assert "1 classes have a single training image, so none scores the search: dog" in text(photos)


def test_animations_orientations_and_modes_are_counted(photos: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", (30, 10)).save(photos / "train" / "cat" / "turned.jpg", exif=exif)
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(photos / "train" / "dog" / "x.gif", save_all=True, append_images=frames[1:])
    (line,) = (line for line in text(photos).splitlines() if line.startswith("train: sizes"))
    assert "1 of 30x10" in line
    assert "1 L" in line
    assert "1 turned upright by their tag; 1 animated, of which the first frame counts" in line


@pytest.mark.parametrize("suffix", FORMATS)
def test_whole_files_pass_and_cut_ones_are_broken(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(noise((64, 48, 3))).save(path)
    assert look(str(path)).size == (48, 64)
    whole = path.read_bytes()
    for share in (0.9, 0.5, 0.05):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(UnreadableImageError, match=rf"x\.{suffix} cannot be read"):
            look(str(path))


def test_preview_in_a_cut_photograph_is_not_its_end(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    Image.fromarray(noise((16, 16, 3))).save(path)
    preview = path.read_bytes()
    exif = b"Exif\0\0" + preview
    Image.fromarray(noise((64, 64, 3))).save(path, exif=exif)
    path.write_bytes(path.read_bytes()[: len(preview) + 1800])
    with pytest.raises(UnreadableImageError, match="cannot be read"):
        look(str(path))


def test_bytes_behind_the_end_are_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    Image.fromarray(noise((64, 64, 3))).save(path)
    path.write_bytes(path.read_bytes() + b"\0" * 100 + b"maker's own trailer" * 500)
    assert look(str(path)).mode == "RGB"


def test_broken_files_of_either_split_are_refused_before_training(photos: Path) -> None:
    (photos / "val" / "dog" / "zz.jpg").symlink_to("/nonexistent.jpg")
    found = inspected(photos)
    assert "warning: 1 images of test cannot be read: link " in "\n".join(summary(found))
    check_readable(found, 1)
    with pytest.raises(DatasetError, match=r"^1 of 9 images cannot be read: link .*zz\.jpg"):
        check_readable(found, 0)


def test_copies_across_splits_are_found(photos: Path) -> None:
    shutil.copy(photos / "train" / "cat" / "003.png", photos / "val" / "dog" / "copy.png")
    same_size = bytearray((photos / "train" / "cat" / "003.png").read_bytes())
    same_size[-20] ^= 1
    (photos / "val" / "dog" / "other.png").write_bytes(same_size)
    found = inspected(photos)
    assert found.repeats == [
        (str(photos / "train" / "cat" / "003.png"), str(photos / "val" / "dog" / "copy.png"))
    ]
    assert "warning: 1 test images are copies of training images" in "\n".join(summary(found))
    assert copies(["absent"], ["absent"]) == []


def test_only_files_of_equal_size_are_read(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> str:
        raise AssertionError(path)

    monkeypatch.setattr(inspection, "_digest", refuse)
    sizes = {path: path.stat().st_size for path in photos.rglob("*.png")}
    for path in (photos / "val").rglob("*.png"):
        while path.stat().st_size in sizes.values():
            path.write_bytes(path.read_bytes() + b"x")
    assert inspected(photos).repeats == []


def test_large_splits_are_sampled(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "MOST_FILES", 10)
    assert facts(class_folders(photos / "train")).looked == 10
    assert "10 of 40 files looked at" in text(photos)


def test_folder_that_is_not_used_is_said(photos: Path) -> None:
    write_folder(photos / "test", images=1)
    assert f"note: {photos / 'test'} is not used" in text(photos)


def test_many_classes_give_a_short_table(tmp_path: Path) -> None:
    for number in range(2000):
        (tmp_path / "train" / f"{number:04}").mkdir(parents=True)
        Image.new("L", (2, 2)).save(tmp_path / "train" / f"{number:04}" / "1.png")
    lines = text(tmp_path).splitlines()
    assert len(lines) < 40
    assert "  ... 1,976 more classes" in lines
    assert "always '0000' is right on no image" in lines
