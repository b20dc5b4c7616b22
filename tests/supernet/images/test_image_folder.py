"""Folders of images: squares as torchvision makes them, kept or decoded on the fly, and what may be wrong."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from search_space.files.cache_folder import VARIABLE, CacheError
from supernet.checkpoints.image_input import resized_side
from supernet.images import image_folder, picture_file
from supernet.images.folder_layouts import DatasetError
from supernet.images.image_folder import ImageFiles, list_folder
from supernet.images.labelled_images import Images, LabelledImages, loaded
from supernet.images.picture_file import UnreadableImageError, read_picture
from supernet.training.augmentation import image_transform
from supernet.training.recipe import load_recipe
from tests.supernet.image_files import write_folder


def read(folder: Path, crop: int = 16) -> Images:
    return list_folder(folder).images(crop=crop)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_folder(tmp_path / "train")
    return tmp_path / "train"


@pytest.fixture
def nothing_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> Image.Image:
        raise AssertionError(f"{path} is decoded again")

    monkeypatch.setattr(image_folder, "read_picture", refuse)


@pytest.mark.parametrize(("crop", "resize"), [(16, 16), (32, 32), (224, 256)])
def test_evaluation_sees_what_torchvision_makes_of_an_image(tmp_path: Path, crop: int, resize: int) -> None:
    write_folder(tmp_path, images=2, size=(61, 47))
    usual = v2.Compose([v2.Resize(resize), v2.CenterCrop(crop), v2.PILToTensor()])
    images = loaded(read(tmp_path, crop))
    files = sorted(tmp_path.rglob("*.png"))
    assert len(images) == len(files) == 4
    for pixels, path in zip(images.pixels, files, strict=True):
        assert torch.equal(pixels, usual(Image.open(path)))
    assert images.labels.tolist() == [0, 0, 1, 1]


def test_squares_of_the_right_size_pass_unchanged_and_leave_nothing_to_crop(tmp_path: Path) -> None:
    write_folder(tmp_path, size=(32, 32))
    images = read(tmp_path, 32)
    assert images.crop is None
    expected = np.asarray(Image.open(tmp_path / "dog" / "003.png")).transpose(2, 0, 1)
    assert images[13][0].numpy().tolist() == expected.tolist()
    assert images[13][1] == 1


def test_larger_images_keep_a_margin_for_training(tmp_path: Path) -> None:
    write_folder(tmp_path, images=1)
    images = read(tmp_path, 112)
    assert images.crop == 112
    assert images[0][0].shape == (3, 128, 128)
    assert [resized_side(crop) for crop in (24, 64, 112, 224)] == [24, 64, 128, 256]


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "CMYK"])
def test_any_kind_of_colour_becomes_three_channels(tmp_path: Path, mode: str) -> None:
    suffix = "tiff" if mode == "CMYK" else "png"
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.full((16, 16, 3), 255, np.uint8)).convert(mode).save(
            tmp_path / name / f"x.{suffix}"
        )
    pixels, _ = read(tmp_path)[0]
    assert pixels.shape == (3, 16, 16)
    assert (pixels == 255).all()


@pytest.mark.usefixtures("nothing_is_decoded")
def test_second_start_decodes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(image_folder, "read_picture", read_picture)
        first = loaded(read(folder))
    second = loaded(read(folder))
    assert torch.equal(first.pixels, second.pixels)
    with pytest.raises(AssertionError, match="is decoded again"):
        read(folder, 24)


def test_decoding_draws_nothing_from_the_global_generator(folder: Path) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    read(folder)
    assert torch.equal(torch.rand(3), expected)


def test_changed_images_are_decoded_again_and_leave_no_old_file(folder: Path) -> None:
    first = loaded(read(folder))
    cache = image_folder._cache_file(folder, 16, "crop")
    files = list(cache.parent.iterdir())
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(folder / "cat" / "000.png")
    second = loaded(read(folder))
    assert not torch.equal(first.pixels[0], second.pixels[0])
    assert torch.equal(first.pixels[1:], second.pixels[1:])
    assert list(cache.parent.iterdir()) == files


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_damaged_cache_is_made_again(folder: Path, keep: int) -> None:
    first = loaded(read(folder))
    cache = image_folder._cache_file(folder, 16, "crop")
    whole = cache.read_bytes()
    cache.write_bytes(whole[:keep])
    assert torch.equal(loaded(read(folder)).pixels, first.pixels)
    assert cache.read_bytes() == whole


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give files away")
@pytest.mark.posix
def test_images_that_another_user_cached_are_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    read(folder)
    cache = image_folder._cache_file(folder, 16, "crop")
    for place in (cache, cache.parent):
        os.chown(place, 65534, 65534)
        with pytest.raises(CacheError, match=f"^{place} in the cache belongs to user 65534"):
            read(folder)
        os.chown(place, 0, 0)


def test_cache_that_cannot_be_written_is_said_and_nothing_else(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    assert len(read(folder)) == 20
    assert "cannot be cached for the next start" in capsys.readouterr().err


@pytest.mark.parametrize("serial", [512, 0])
def test_large_folders_are_read_on_the_fly_to_the_same_squares(
    folder: Path, monkeypatch: pytest.MonkeyPatch, serial: int
) -> None:
    monkeypatch.setattr(image_folder, "SERIAL_IMAGES", serial)  # 0: by worker processes
    kept = loaded(read(folder))
    monkeypatch.setattr(image_folder, "CACHE_BYTES", 0)
    files = read(folder)
    assert isinstance(files, ImageFiles)
    assert torch.equal(loaded(files).pixels, kept.pixels)
    assert torch.equal(loaded(files).labels, kept.labels)
    some = torch.tensor([13, 2])
    assert torch.equal(loaded(files.subset(some)).pixels, kept.pixels[some])
    whole, label = files.subset(some)[0]  # what training crops from
    assert (whole.shape, label) == ((3, 16, 20), 1)


@pytest.mark.parametrize("limit", [0, 2 << 30])
def test_training_crops_at_random_to_the_side_of_the_network(
    folder: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(image_folder, "CACHE_BYTES", limit)
    images = read(folder, 112)
    transform = image_transform(load_recipe("two_phase"), crop=images.crop)
    torch.manual_seed(0)
    first, second = transform(images[3][0]), transform(images[3][0])
    assert first.shape == second.shape == (3, 112, 112)
    assert first.dtype == torch.uint8
    assert not torch.equal(first, second)


@pytest.mark.parametrize("serial", [512, 0])
def test_unreadable_images_are_counted_and_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, serial: int
) -> None:
    monkeypatch.setattr(image_folder, "SERIAL_IMAGES", serial)
    whole = (folder / "cat" / "002.png").read_bytes()
    (folder / "cat" / "002.png").write_bytes(whole[: len(whole) // 2])
    (folder / "dog" / "000.png").write_bytes(b"")
    (folder / "dog" / "009.png").write_text("no image")
    with pytest.raises(DatasetError, match=r"^3 of 20 images cannot be read: image .*cat/002\.png") as caught:
        read(folder)
    assert "dog/009.png" in str(caught.value)
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(picture_file, "NAMED_FAILURES", 1)
    with pytest.raises(DatasetError, match="and 2 more"):
        read(folder)
    monkeypatch.setattr(image_folder, "CACHE_BYTES", 0)
    with pytest.raises(DatasetError, match=r"^3 of 20 images"):
        loaded(read(folder))


def test_unreadable_image_met_by_a_worker_in_training_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_folder, "CACHE_BYTES", 0)
    (folder / "cat" / "000.png").write_bytes(b"")
    with pytest.raises(UnreadableImageError) as caught:
        list(DataLoader(read(folder), num_workers=1))
    assert str(caught.value).startswith("image ")
    assert "cat/000.png cannot be read" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_folders_without_classes(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="must hold a folder of pictures for each class"):
        list_folder(tmp_path)
    (tmp_path / "x.png").touch()
    with pytest.raises(DatasetError, match="must hold a folder of pictures for each class"):
        list_folder(tmp_path)


def test_one_class(tmp_path: Path) -> None:
    write_folder(tmp_path, classes=["cat"])
    with pytest.raises(DatasetError, match="holds one class, 'cat'"):
        list_folder(tmp_path)


def test_class_without_images_is_named(folder: Path) -> None:
    (folder / "emu").mkdir()
    (folder / "emu" / "notes.txt").touch()
    with pytest.raises(DatasetError, match=r"holds no pictures of 1 of 3 classes \(emu\).*1 \.txt"):
        list_folder(folder)


def test_content_follows_names_and_not_the_place(folder: Path, tmp_path: Path) -> None:
    before = list_folder(folder).content
    moved = folder.rename(tmp_path / "elsewhere")
    assert list_folder(moved).content == before
    (moved / "cat" / "000.png").rename(moved / "cat" / "zzz.png")
    assert list_folder(moved).content != before


def test_margin_is_cut_around_the_centre() -> None:
    pixels = torch.arange(36, dtype=torch.uint8).view(1, 1, 6, 6).repeat(1, 3, 1, 1)
    (part,) = LabelledImages(pixels, torch.zeros(1, dtype=torch.int64), crop=2).evaluated()
    assert part.pixels[0, 0].tolist() == [[14, 15], [20, 21]]
