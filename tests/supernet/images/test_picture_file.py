"""Picture files: modes, orientation, transparency, and pictures that cannot be read."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from supernet.images import picture_file
from supernet.images.image_folder import square
from supernet.images.picture_file import UnreadableImageError, in_rgb, read_picture, shown

GREYS = np.arange(256, dtype=np.uint8).reshape(16, 16)


def values(image: Image.Image) -> list[list[list[int]]]:
    assert image.mode == "RGB"
    return np.asarray(image).tolist()  # type: ignore[no-any-return]


GREY_RGB = np.repeat(GREYS[..., None], 3, axis=2).tolist()


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("8.png", GREYS),
        ("16.png", GREYS.astype(np.uint16) * 257),
        ("16.tiff", GREYS.astype(np.uint16) * 257),
        ("float.tiff", (GREYS / 255).astype(np.float32)),
    ],
)
def test_grey_of_any_depth_gives_the_same_pixels(tmp_path: Path, name: str, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(tmp_path / name)
    assert values(read_picture(tmp_path / name)) == GREY_RGB


@pytest.mark.parametrize("mode", ["I;16", "I;16L", "I;16B"])
def test_either_order_of_bytes(mode: str) -> None:
    image = Image.new(mode, (2, 1), 0)
    image.putpixel((1, 0), 65_535)
    assert values(in_rgb(image)) == [[[0] * 3, [255] * 3]]


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV", "LA", "PA", "RGBA", "RGBX"])
def test_white_stays_white_and_black_stays_black(mode: str) -> None:
    image = Image.new("RGB", (2, 1), "white")
    image.putpixel((1, 0), (0, 0, 0))
    steps = {"PA": ("RGBA", "PA"), "LA": ("L", "LA")}.get(mode, (mode,))
    for step in steps:
        image = image.convert(step)
    assert values(in_rgb(image)) == [[[255] * 3, [0] * 3]]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGBa"])
def test_what_is_transparent_becomes_white(tmp_path: Path, mode: str) -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 255))
    if mode == "P":
        image.convert("P").save(tmp_path / "a.png", transparency=0)
        palette = Image.open(tmp_path / "a.png")
        assert values(in_rgb(palette))[0][0] == [255] * 3
        return
    assert values(in_rgb(image.convert(mode))) == [[[255] * 3, [0] * 3]]


def test_half_transparent_red_on_white() -> None:
    # 128 / 255 of red (255, 0, 0) and 127 / 255 of white: green and blue are 127.
    assert values(in_rgb(Image.new("RGBA", (1, 1), (255, 0, 0, 128)))) == [[[255, 127, 127]]]


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (Image.fromarray(np.array([[0, 2]], np.float32)), "must lie in 0 to 1, but it has 0 to 2"),
        (Image.fromarray(np.array([[0, np.nan]], np.float32)), "must lie in 0 to 1"),
        (Image.fromarray(np.array([[0, 70_000]], np.int32)), "32-bit grey has no range"),
    ],
)
def test_values_without_a_range_are_refused_by_name(tmp_path: Path, image: Image.Image, reason: str) -> None:
    image.save(tmp_path / "x.tiff")
    with pytest.raises(UnreadableImageError, match=rf"x\.tiff cannot be read \(.*{reason}"):
        read_picture(tmp_path / "x.tiff")


@pytest.mark.parametrize("tag", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "webp"])
def test_every_orientation_is_turned_upright(tmp_path: Path, tag: int, suffix: str) -> None:
    # The transpositions that a camera with this tag has applied (EXIF 2.3, table 6).
    stored: dict[int, Callable[[Any], Any]] = {
        **{1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1]},
        **{5: lambda a: a.swapaxes(0, 1), 6: lambda a: a.swapaxes(0, 1)[::-1]},
        **{7: lambda a: a[::-1, ::-1].swapaxes(0, 1), 8: lambda a: a.swapaxes(0, 1)[:, ::-1]},
    }
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = tag
    options: dict[str, Any] = (
        {"lossless": True} if suffix == "webp" else {"quality": 95} if suffix == "jpg" else {}
    )
    turned = Image.fromarray(np.ascontiguousarray(stored[tag](upright)))
    turned.save(tmp_path / f"x.{suffix}", exif=exif, **options)
    got = np.asarray(read_picture(tmp_path / f"x.{suffix}")).astype(int)
    assert got.shape == upright.shape
    assert np.abs(got - upright).max() < 16


def test_damaged_orientation_costs_no_picture(tmp_path: Path) -> None:
    Image.fromarray(GREYS).save(tmp_path / "x.png", exif=b"Exif\0\0II*\0\xff\xff")
    assert values(read_picture(tmp_path / "x.png")) == GREY_RGB


def test_animation_shows_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert values(read_picture(tmp_path / "x.gif"))[0][0] == [255, 0, 0]


def test_large_picture_is_refused_in_one_line_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("1", (14_200, 14_200)).save(tmp_path / "huge.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UnreadableImageError, match=r"huge\.png .*than 178 megapixels: make a smaller"):
            read_picture(tmp_path / "huge.png")
        Image.new("1", (9_500, 9_500)).save(tmp_path / "large.png")  # Pillow warns of it.
        assert read_picture(tmp_path / "large.png").size == (9_500, 9_500)
    monkeypatch.setattr(picture_file, "MOST_PIXELS", 90_000_000)
    with pytest.raises(UnreadableImageError, match="90 megapixels, more than 90 megapixels"):
        read_picture(tmp_path / "large.png")


@pytest.mark.parametrize("size", [(1, 1), (2, 3000), (3000, 2), (1, 20_000)])
@pytest.mark.parametrize("fit", ["crop", "pad", "squash"])
def test_odd_sizes_become_squares(size: tuple[int, int], fit: str) -> None:
    assert square(Image.new("RGB", size, "white"), 32, fit).shape == (3, 32, 32)


def test_link_without_target_and_absent_file(tmp_path: Path) -> None:
    (tmp_path / "zz.jpg").symlink_to("/nonexistent.jpg")
    with pytest.raises(UnreadableImageError, match=r"^link .*zz\.jpg: its target does not exist$"):
        read_picture(tmp_path / "zz.jpg")
    with pytest.raises(UnreadableImageError, match=r"^image .*no\.jpg: it does not exist$"):
        read_picture(tmp_path / "no.jpg")


def test_names_that_are_no_utf8_can_be_shown(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    with pytest.raises(UnreadableImageError) as caught:
        read_picture(path)
    assert "caf\\xe9.png" in str(caught.value)
    str(caught.value).encode()
    assert shown("é.png") == "é.png"


# --- squares -------------------------------------------------------------------------------------


def halves() -> Image.Image:
    """White above black, 40 x 20."""
    image = Image.new("RGB", (40, 20), "white")
    image.paste((0, 0, 0), (0, 10, 40, 20))
    return image


def test_pad_shows_all_between_black_margins() -> None:
    pixels = square(halves(), 20, "pad")[0]
    assert (pixels[:5] == 0).all()
    assert (pixels[5:9] == 255).all()
    assert (pixels[11:] == 0).all()


def test_squash_shows_all_and_changes_proportions() -> None:
    pixels = square(halves(), 20, "squash")[0]
    assert (pixels[:9] == 255).all()
    assert (pixels[11:] == 0).all()


def test_crop_shows_the_centre() -> None:
    image = Image.new("RGB", (40, 20), "black")
    image.paste((255, 255, 255), (10, 0, 30, 20))
    assert (square(image, 20, "crop") == 255).all()
    # The ends of a long picture are cut off before.
    image = Image.new("RGB", (3000, 2), "black")
    image.paste((255, 255, 255), (1490, 0, 1510, 2))
    assert (square(image, 2, "crop") == 255).all()
