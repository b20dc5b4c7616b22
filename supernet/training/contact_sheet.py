"""Contact sheet of a folder of images: some pictures of each class as the network sees them.

The left half shows pictures as networks are scored on them: upright, fitted to a square. The right half shows
the same pictures with the augmentation of a training.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from supernet.checkpoints.image_input import LARGEST_WITHOUT_MARGIN, resized_side
from supernet.images.class_folders import ClassFolders
from supernet.images.folder_layouts import DatasetError
from supernet.images.image_folder import ImageFiles, Listing, decoded
from supernet.images.labelled_images import Images, LabelledImages, loaded
from supernet.images.picture_file import UnreadableImageError, read_picture, shown
from supernet.training.batches import AugmentedImages, Draw, torch_seed
from supernet.training.recipe import Recipe

if TYPE_CHECKING:  # matplotlib takes a second to import
    from matplotlib.figure import Figure

PICTURES = 4
"""Largest number of pictures of a class."""
MOST_CLASSES = 24
"""Largest number of classes; of more, as many in even steps."""
LEAST_SIDE = 96
"""Side in pixels from which a picture is not enlarged."""
GAP = 4
"""Pixels between two pictures."""
DOTS = 120
"""Pixels of the figure per inch."""


@dataclass(frozen=True)
class ContactSheet:
    """Pictures as a network sees them.

    Attributes:
        names: Names of the shown classes.
        classes: Number of all classes.
        places: Row and column of each picture, ``(n, 2)``.
        scored: The pictures as networks are scored on them, ``(n, 3, s, s)``, uint8.
        trained: The same pictures with a training's augmentation.
    """

    names: tuple[str, ...]
    classes: int
    places: NDArray[np.int64]
    scored: NDArray[np.uint8]
    trained: NDArray[np.uint8]

    @property
    def side(self) -> int:
        """Side of the pictures in pixels."""
        return int(self.scored.shape[-1])


def contact_sheet(pictures: ClassFolders, recipe: Recipe, size: int) -> ContactSheet:
    """Prepares some pictures of each class as a training by `recipe` does.

    Args:
        pictures: The training pictures.
        recipe: Fit and augmentation; its seed decides the draws.
        size: Side of the squares that a network sees.

    Raises:
        DatasetError: No picture can be read.
    """
    every = -(-len(pictures.classes) // MOST_CLASSES)
    labels = range(0, len(pictures.classes), every)
    chosen = [(row, index) for row, label in enumerate(labels) for index in _readable(pictures, label)]
    if not chosen:
        raise DatasetError(f"none of the pictures in {shown(pictures.folder)} can be read: replace them")
    images = _as_loaded(pictures, [index for _, index in chosen], recipe, size)
    augmented = AugmentedImages(images, recipe, partial(torch_seed, Draw.IMAGE, recipe.seed, 0))
    rows = [row for row, _ in chosen]
    return ContactSheet(
        names=tuple(pictures.classes[label] for label in labels),
        classes=len(pictures.classes),
        places=np.array([(row, rows[:place].count(row)) for place, row in enumerate(rows)]),
        scored=loaded(images).pixels.numpy(),
        trained=torch.stack([augmented[place][0] for place in range(len(rows))]).numpy(),
    )


def _readable(pictures: ClassFolders, label: int) -> Iterator[int]:
    """Up to `PICTURES` pictures of a class that can be read, in even steps through the class."""
    start, count = sum(pictures.counts[:label]), pictures.counts[label]
    steps = sorted({start + count * step // PICTURES for step in range(PICTURES)})
    found = 0
    # The neighbours of a broken picture may stand in for it.
    for index in (*steps, *(other for other in range(start, start + count) if other not in steps)):
        if found == PICTURES:
            return
        try:
            read_picture(pictures.paths[index])
        except UnreadableImageError:
            continue
        found += 1
        yield index


def _as_loaded(pictures: ClassFolders, indices: list[int], recipe: Recipe, size: int) -> Images:
    """The pictures at `indices` in the form in which `Listing.images` gives all of them to a training."""
    labels = torch.tensor([pictures.labels[index] for index in indices])
    files = ImageFiles([pictures.paths[index] for index in indices], labels, crop=size, fit=recipe.fit)
    if not Listing(pictures, recipe.fit).is_small(crop=size):
        return files
    squares = torch.cat([part.pixels for part in decoded(files, resized_side(size, recipe.fit))])
    return LabelledImages(squares, labels, size if size > LARGEST_WITHOUT_MARGIN else None)


def drawn(sheet: ContactSheet) -> Figure:
    """The contact sheet as a figure: a row for each class, pictures as scored left and augmented right."""
    from matplotlib.figure import Figure

    scale = max(1, round(LEAST_SIDE / sheet.side))
    cell = scale * sheet.side + GAP
    columns = int(sheet.places[:, 1].max()) + 1
    middle = columns * cell + 2 * GAP
    canvas = np.full((len(sheet.names) * cell, middle + columns * cell, 3), 255, np.uint8)
    for first, pixels in ((0, sheet.scored), (middle, sheet.trained)):
        for (row, column), picture in zip(sheet.places.tolist(), pixels, strict=True):
            enlarged = picture.transpose(1, 2, 0).repeat(scale, axis=0).repeat(scale, axis=1)
            top, left = row * cell, first + column * cell
            canvas[top : top + len(enlarged), left : left + len(enlarged)] = enlarged
    height, width = canvas.shape[:2]
    names = [name if len(name) <= 24 else f"{name[:23]}…" for name in sheet.names]
    # Room for the names on the left, in pixels; a character takes 8 at most.
    left, top = 12 + 8 * max(map(len, names)), 28
    full = (left + width + GAP, top + height + GAP)
    figure = Figure(figsize=(full[0] / DOTS, full[1] / DOTS), dpi=DOTS)
    axes = figure.add_axes((left / full[0], GAP / full[1], width / full[0], height / full[1]))
    axes.imshow(canvas, interpolation="nearest")
    axes.set_axis_off()
    with warnings.catch_warnings():
        # A character that the font lacks is drawn as a box.
        warnings.simplefilter("ignore")
        for row, name in enumerate(names):
            y = row * cell + (cell - GAP) / 2
            axes.text(-8, y, name, ha="right", va="center", fontsize=8, parse_math=False)
        for x, title in ((0, "as scored"), (middle, "in training")):
            axes.text(x, -8, title, ha="left", va="bottom", fontsize=8)
    return figure
