"""Picture files: read upright, with three channels of 8 bits, whatever Pillow opens. Needs no torch.

| picture | becomes |
|---|---|
| orientation tag of a camera | turned upright |
| grey, palette, black and white, CMYK, YCbCr, HSV, CIELAB | RGB by Pillow |
| transparency | laid on white |
| 16-bit grey | 65,535 is white |
| floating-point grey | 1.0 is white; refused if a value lies outside 0 to 1 |
| animation | its first frame |
| 32-bit integers and others without a range of their own | refused |
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from search_space.files.regular_file import file_problem
from supernet.images.folder_layouts import DatasetError

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".bmp", ".dib", ".webp", ".avif"),
        *(".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".tga"),
    )
)
"""Suffixes of the files that are taken for pictures, in lower case."""

BACKGROUND = (255, 255, 255)
"""Colour on which transparent pictures are laid."""

MOST_PIXELS = 178_000_000
"""Largest picture that is read. Pillow refuses larger ones as well, since damaged files claim such sizes."""

VERSION = 2
"""Version of the rules above. Pictures that were decoded by another version are decoded again."""

NAMED_FAILURES = 3
"""Number of unreadable files that a message names."""

_ORIENTATION = 0x0112


class UnreadableImageError(DatasetError):
    """A file that is no picture, a damaged one, or one of a kind that is not read."""

    def __init__(self, message: str) -> None:
        # A DataLoader worker passes on the text of a whole traceback, which ends with the original message.
        last = message.strip().splitlines()[-1]
        super().__init__(last.removeprefix(f"{type(self).__module__}.{type(self).__qualname__}: "))


def shown(path: str | Path) -> str:
    """`path` as text for messages; bytes that are no UTF-8 become escapes such as ``\\xff``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@contextmanager
def opened(path: str | Path) -> Iterator[Image.Image]:
    """Opens a picture; reads its header only, until the caller asks for pixels.

    Raises:
        UnreadableImageError: The file is absent, no picture, damaged, too large or of a kind that is not
            read; also for errors in the body.
    """
    if Path(path).exists() and (problem := file_problem(Path(path))):
        raise UnreadableImageError(f"image {shown(path)} {problem}")
    try:
        # Pillow warns of odd metadata and of large pictures. What matters is an error here.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                width, height = image.size
                if width * height > MOST_PIXELS:
                    raise UnreadableImageError(_too_large(path, width * height))
                yield image
    except UnreadableImageError:
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(_too_large(path)) from error
    except FileNotFoundError as error:
        is_link = Path(path).is_symlink()
        reason = "its target does not exist" if is_link else "it does not exist"
        raise UnreadableImageError(f"{'link' if is_link else 'image'} {shown(path)}: {reason}") from error
    except Exception as error:  # Pillow raises nearly anything for damaged files.
        raise UnreadableImageError(f"image {shown(path)} cannot be read ({one_line(error)})") from error


def _too_large(path: str | Path, pixels: int | None = None) -> str:
    size = "" if pixels is None else f"{pixels / 1e6:.0f} megapixels, "
    return (
        f"image {shown(path)} cannot be read ({size}more than {MOST_PIXELS / 1e6:.0f} megapixels: make a "
        f"smaller copy)"
    )


def read_picture(path: str | Path) -> Image.Image:
    """The picture at `path`, upright, in mode ``RGB``.

    Raises:
        UnreadableImageError: As `opened`, or it has a mode without a range of its own.
    """
    with opened(path) as image:
        image.load()
        if orientation(image) != 1:
            ImageOps.exif_transpose(image, in_place=True)
        return in_rgb(image)


def orientation(image: Image.Image) -> int:
    """Orientation tag of `image`, 1 to 8; 1 (upright) if it has none or a damaged one."""
    try:
        tag = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # A damaged tag must not cost a picture that can be seen.
        return 1
    return tag if tag in range(1, 9) else 1


def in_rgb(image: Image.Image) -> Image.Image:
    """`image` with three channels of 8 bits, each value scaled by the range of its own mode.

    Raises:
        ValueError: The mode has no range of its own, or a value lies outside of it.
    """
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return _grey(np.asarray(image).astype(np.float32) / 65_535)
    if image.mode == "F":
        return _grey(np.asarray(image))
    if image.mode == "I":
        raise ValueError("32-bit grey has no range of its own: save it with 8 or 16 bits")
    if image.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in image.info:
        return _on_background(image)
    return image.convert("RGB")


def _grey(values: np.ndarray) -> Image.Image:
    """RGB image of grey `values`, ``(h, w)``, from 0 to 1."""
    # `not (...)` refuses NaN as well.
    if not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(
            f"floating-point grey must lie in 0 to 1, but it has {values.min():.4g} to {values.max():.4g}: "
            f"save it with 8 or 16 bits"
        )
    return Image.fromarray(np.rint(values * 255).astype(np.uint8)).convert("RGB")


def _on_background(image: Image.Image) -> Image.Image:
    # Premultiplied and two-channel modes reach RGBA by their own conversions only.
    steps = {"La": "LA", "RGBa": "RGBA"}
    image = image.convert(steps[image.mode]) if image.mode in steps else image
    with_alpha = image.convert("RGBA")
    background = Image.new("RGBA", image.size, (*BACKGROUND, 255))
    return Image.alpha_composite(background, with_alpha).convert("RGB")


def unreadable(reasons: Sequence[str], images: int) -> DatasetError:
    """The error for unreadable images.

    Args:
        reasons: One for each unreadable image.
        images: Number of all images.
    """
    more = len(reasons) - NAMED_FAILURES
    named = "; ".join(reasons[:NAMED_FAILURES]) + (f"; and {more:,} more" if more > 0 else "")
    return DatasetError(
        f"{len(reasons):,} of {images:,} images cannot be read: {named}. Delete or replace them, or train "
        f"without them: supernet.train --skip-unreadable {len(reasons)}"
    )


def one_line(error: Exception) -> str:
    """The message of `error` in one line, or the name of its kind if it has none."""
    return " ".join(str(error).split()) or type(error).__name__
