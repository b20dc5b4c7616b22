"""Image input of a network: how a picture becomes its input, and the names of its classes. Needs no torch.

The headers of checkpoints and of extracted networks hold it, so that a file says all that a runtime needs.
A header of before has neither key; `image_input` then returns what the code of that time did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

from search_space.errors import H4HError
from supernet.checkpoints.header import FORMAT, NETWORK_FORMAT, CheckpointError, read_header, stored_space

MEAN = (0.49139968, 0.48215841, 0.44653091)
DEVIATION = (0.24703223, 0.24348513, 0.26158784)
"""Mean and standard deviation of CIFAR-10's training pixels, in units of 255, per channel."""


@dataclass(frozen=True)
class PixelScale:
    """Normalisation of pixels: a byte becomes (byte / 255 - `mean`) / `deviation`, channel by channel.

    Attributes:
        mean: Mean of each channel, in units of 255.
        deviation: Standard deviation of each channel, in units of 255.
    """

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


CIFAR10_SCALE = PixelScale(MEAN, DEVIATION)
"""Pixel scale of all networks that are trained here from random weights."""

IMAGENET_SCALE = PixelScale((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Pixel scale of most networks of torchvision and timm that were trained on ImageNet."""

CHANNELS = "rgb"
SCALE = 255.0

CROP, PAD, SQUASH = "crop", "pad", "squash"
FITS = (CROP, PAD, SQUASH)
"""Ways to make a picture square: cut out the centre, add a margin, or change its proportions."""

NONE, BALANCED = "none", "balanced"
CLASS_WEIGHTS = (NONE, BALANCED)
"""Weights of the classes in the loss: equal, or inverse to the number of their images."""

CIFAR10_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)

LARGEST_WITHOUT_MARGIN = 64


def resized_side(size: int, fit: str = CROP) -> int:
    """Side to which pictures are resized before the central `size` pixels are cut out: 256 for 224.

    Fits that show the whole picture leave no margin.
    """
    return size if fit != CROP or size <= LARGEST_WITHOUT_MARGIN else round(size * 8 / 7)


@dataclass(frozen=True)
class ImageInput:
    """How a picture becomes the input of a network, and what its class scores mean.

    A picture of three channels is made square by `fit`, with sides of `resize` pixels. The network gets the
    central `size` pixels and resizes them to its own resolution. A byte becomes
    (byte / `scale` - `mean`) / `deviation`.

    Attributes:
        size: Side of the squares that the network sees, in pixels.
        resize: Side of the squares before the centre is cut out, in pixels; at least `size`.
        class_names: Names of the classes in the order of the scores; empty if the file records none.
        fit: One of `FITS`.
        channels: Order of the channels; always ``rgb``.
        scale: Divisor of the bytes; always 255.
        mean: Mean of each channel, in units of `scale`.
        deviation: Standard deviation of each channel, in units of `scale`.
        flip: Share of the training images that were mirrored left to right, 0 to 1.
        class_weights: Weights of the classes in the training's loss, one of `CLASS_WEIGHTS`.
    """

    size: int
    resize: int
    class_names: tuple[str, ...] = ()
    fit: str = CROP
    channels: str = CHANNELS
    scale: float = SCALE
    mean: tuple[float, float, float] = MEAN
    deviation: tuple[float, float, float] = DEVIATION
    flip: float = 0.5
    class_weights: str = NONE

    @property
    def pixel_scale(self) -> PixelScale:
        """Normalisation of the pixels."""
        return PixelScale(self.mean, self.deviation)

    def scaled(self, scale: PixelScale) -> ImageInput:
        """This input with another normalisation of the pixels."""
        return replace(self, mean=scale.mean, deviation=scale.deviation)

    def to_header(self) -> dict[str, Any]:
        """Entries of the header of a file: ``input``, ``training``, and ``class_names`` if there are any."""
        entries: dict[str, Any] = {
            "input": {name: getattr(self, name) for name in _INPUT},
            "training": {name: getattr(self, name) for name in _TRAINING},
        }
        return entries | ({"class_names": list(self.class_names)} if self.class_names else {})


_INPUT = ("size", "resize", "fit", "channels", "scale", "mean", "deviation")
_TRAINING = ("flip", "class_weights")


def image_input(path: Path, header: Mapping[str, Any], *, size: int, classes: int) -> ImageInput:
    """The image input in the header of a file.

    Args:
        path: The file, for messages.
        header: Its header.
        size: Side of the squares if the header has none, as in files of before: the largest resolution of the
            search space, or the resolution of an extracted network.
        classes: Number of classes of the network.

    Raises:
        CheckpointError: A value has the wrong type, or this version cannot prepare images like that.
    """
    entries: dict[str, Any] = {"size": size, "resize": resized_side(size)}
    for key, names in (("input", _INPUT), ("training", _TRAINING)):
        part = header.get(key, {})
        if not isinstance(part, Mapping):
            raise CheckpointError(f"checkpoint {path}: {key} must be a mapping, but got {part!r:.60}")
        # A later version may add keys.
        entries |= {name: part[name] for name in names if name in part}
    for name in ("mean", "deviation"):
        if isinstance(entries.get(name), list):
            entries[name] = tuple(entries[name])
    found = ImageInput(**entries, class_names=_class_names(path, header, classes))
    _check(path, found)
    return found


def supernet_image_input(path: Path) -> ImageInput:
    """The image input of the supernet checkpoint at `path`.

    Raises:
        CheckpointError: The file is absent, damaged, or no supernet checkpoint, or as `image_input`.
    """
    space = stored_space(path)
    return image_input(path, read_header(path), size=max(space.resolution), classes=space.head.classes)


def stored_image_input(path: Path) -> ImageInput:
    """The image input of the checkpoint at `path`: a supernet, or one extracted network.

    Raises:
        CheckpointError: The file is absent, damaged, or neither of them, or as `image_input`.
    """
    header = read_header(path, (FORMAT, NETWORK_FORMAT))
    if header["format"] == FORMAT:
        return supernet_image_input(path)
    try:
        size, classes = int(header["subnet"]["resolution"]), int(header["classes"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"checkpoint {path} holds no description of its network ({error})") from error
    return image_input(path, header, size=size, classes=classes)


def _class_names(path: Path, header: Mapping[str, Any], classes: int) -> tuple[str, ...]:
    names = header.get("class_names")
    if names is None:
        # Files of before have no names, but say if they are of CIFAR-10.
        data = header.get("data")
        is_cifar10 = isinstance(data, Mapping) and data.get("data_set") == "cifar10"
        return CIFAR10_CLASSES if is_cifar10 and classes == len(CIFAR10_CLASSES) else ()
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CheckpointError(
            f"checkpoint {path}: class_names must be a list of names, but got {names!r:.60}"
        )
    if len(names) != classes or len(set(names)) != classes:
        raise CheckpointError(
            f"checkpoint {path}: class_names must be {classes} different names, one for each class, but it "
            f"has {len(names)}"
        )
    return tuple(names)


def _check(path: Path, found: ImageInput) -> None:
    """Raises `CheckpointError` unless this version can prepare images as `found` says."""
    has_sides = _is_count(found.size) and _is_count(found.resize)
    for name, is_right, allowed in (
        ("size", _is_count(found.size), "a number of pixels"),
        ("resize", has_sides and found.resize >= found.size, "a number of pixels, at least size"),
        ("fit", found.fit in FITS, f"one of {', '.join(FITS)}"),
        ("channels", found.channels == CHANNELS, CHANNELS),
        ("scale", found.scale == SCALE, f"{SCALE:g}"),
        ("mean", _is_triple(found.mean), "three numbers"),
        ("deviation", _is_triple(found.deviation, above_zero=True), "three numbers above 0"),
        ("flip", _is_share(found.flip), "0 to 1"),
        ("class_weights", found.class_weights in CLASS_WEIGHTS, f"one of {', '.join(CLASS_WEIGHTS)}"),
    ):
        if not is_right:
            raise CheckpointError(
                f"checkpoint {path}: {name} of its image input must be {allowed} for this version, but got "
                f"{getattr(found, name)!r:.60}"
            )


def check_scale(scale: PixelScale) -> None:
    """Raises `H4HError` unless mean and deviation are three numbers each, and the deviations above 0."""
    for name, values, above_zero in (("mean", scale.mean, False), ("deviation", scale.deviation, True)):
        if not _is_triple(values, above_zero=above_zero):
            kind = "three numbers above 0" if above_zero else "three numbers"
            raise H4HError(f"{name} must be {kind}, one for each channel, but got {values!r:.60}")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_triple(values: object, *, above_zero: bool = False) -> bool:
    return (
        isinstance(values, tuple)
        and len(values) == len(MEAN)
        and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        and all(isfinite(value) and (value > 0 or not above_zero) for value in values)
    )


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
