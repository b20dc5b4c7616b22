"""Contact sheets: pictures as networks see them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from supernet.images.class_folders import ClassFolders, class_folders
from supernet.images.folder_layouts import DatasetError
from supernet.images.image_folder import Listing
from supernet.images.labelled_images import loaded
from supernet.training import contact_sheet as module
from supernet.training.contact_sheet import contact_sheet, drawn
from supernet.training.single_network_trainer import make_recipe
from tests.supernet.image_files import noise, write_folder

RED, BLUE = (255, 0, 0), (0, 0, 255)


def halves(size: tuple[int, int]) -> Image.Image:
    """A picture whose left half is red and whose right half is blue."""
    picture = Image.new("RGB", size, BLUE)
    picture.paste(RED, (0, 0, size[0] // 2, size[1]))
    return picture


@pytest.fixture
def pictures(tmp_path: Path) -> ClassFolders:
    write_folder(tmp_path, classes=("a", "b"), images=0)
    # With this tag a camera's picture is turned by a quarter clockwise: left becomes top.
    exif = Image.Exif()
    exif[0x0112] = 6
    halves((80, 40)).save(tmp_path / "a" / "turned.png", exif=exif)
    halves((40, 40)).save(tmp_path / "b" / "upright.png")
    return class_folders(tmp_path)


def test_pictures_are_upright_fitted_and_mirrored(pictures: ClassFolders) -> None:
    recipe = make_recipe(epochs=1, rate=1e-3, flip=1.0, crop_padding=0, fit="pad")
    sheet = contact_sheet(pictures, recipe, 32)
    assert sheet.names == ("a", "b")
    assert sheet.places.tolist() == [[0, 0], [1, 0]]
    turned, upright = sheet.scored.transpose(0, 2, 3, 1)
    # 40x80 pixels become 16x32 between black margins, red above blue.
    assert (turned[:, :8] == 0).all()
    assert (turned[:15, 8:24] == RED).all()
    assert (turned[17:, 8:24] == BLUE).all()
    assert (upright[:, :15] == RED).all()
    # Without a random crop, the training's picture is the mirror image.
    np.testing.assert_array_equal(sheet.trained, sheet.scored[..., ::-1])


@pytest.mark.parametrize(("size", "cached"), [(32, True), (80, True), (80, False)])
def test_pictures_are_those_of_scoring(
    size: int, cached: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path, images=3, size=(100, 90))
    if not cached:
        monkeypatch.setattr("supernet.images.image_folder.CACHE_BYTES", 0)
    files = class_folders(tmp_path)
    sheet = contact_sheet(files, make_recipe(epochs=1, rate=1e-3), size)
    expected = loaded(Listing(files).images(crop=size)).pixels
    assert torch.equal(torch.from_numpy(sheet.scored), expected)
    assert sheet.trained.shape == expected.shape
    assert sheet.side == size


def test_broken_pictures_are_replaced(tmp_path: Path) -> None:
    write_folder(tmp_path, images=9)
    for name in ("000", "004"):
        (tmp_path / "cat" / f"{name}.png").write_bytes(b"no picture")
    recipe = make_recipe(epochs=1, rate=1e-3)
    sheet = contact_sheet(class_folders(tmp_path), recipe, 16)
    assert sheet.places.tolist() == [[row, column] for row in (0, 1) for column in range(4)]
    for path in tmp_path.rglob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(DatasetError, match="none of the pictures"):
        contact_sheet(class_folders(tmp_path), recipe, 16)


def test_of_many_classes_some_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CLASSES", 2)
    write_folder(tmp_path, classes=("a", "b", "c"), images=1)
    sheet = contact_sheet(class_folders(tmp_path), make_recipe(epochs=1, rate=1e-3), 16)
    assert (sheet.names, sheet.classes) == (("a", "c"), 3)


def test_figure_shows_every_picture_and_name(tmp_path: Path) -> None:
    write_folder(tmp_path, classes=("$cat_{a", "猫"), images=2, size=(96, 96))
    sheet = contact_sheet(class_folders(tmp_path), make_recipe(epochs=1, rate=1e-3), 96)
    figure = drawn(sheet)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["$cat_{a", "猫", "as scored", "in training"]
    canvas = np.asarray(axes.images[0].get_array())
    for (row, column), picture in zip(sheet.places.tolist(), sheet.scored, strict=True):
        corner = canvas[row * 100 : row * 100 + 96, column * 100 : column * 100 + 96]
        np.testing.assert_array_equal(corner, picture.transpose(1, 2, 0))
    np.testing.assert_array_equal(canvas[100:196, 308:404], sheet.trained[3].transpose(1, 2, 0))


def test_small_pictures_are_enlarged(tmp_path: Path) -> None:
    write_folder(tmp_path, images=0)
    for name in ("cat", "dog"):
        Image.fromarray(noise((8, 8, 3))).save(tmp_path / name / "x.png")
    canvas = drawn(contact_sheet(class_folders(tmp_path), make_recipe(epochs=1, rate=1e-3), 8)).axes[0]
    # 12 pixels for each of a picture, and gaps.
    assert np.asarray(canvas.images[0].get_array()).shape == (200, 208, 3)
