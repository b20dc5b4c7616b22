"""Figures of a classifier by class: recall, balanced accuracy, confusion, and the majority baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class ClassFigures:
    """Figures of one network on one set of images.

    Attributes:
        confusion: Number of images by true class (row) and predicted class (column).
    """

    confusion: NDArray[np.int64]

    @property
    def images(self) -> NDArray[np.int64]:
        """Number of images of each class."""
        images: NDArray[np.int64] = self.confusion.sum(1)
        return images

    @property
    def accuracy(self) -> float:
        """Share of images that are classified correctly, in %."""
        return float(100 * self.confusion.trace() / self.confusion.sum())

    @property
    def recalls(self) -> tuple[float | None, ...]:
        """Share of the images of each class that are classified correctly, in %; None without images."""
        right = self.confusion.diagonal()
        return tuple(
            float(100 * hits / count) if count else None
            for hits, count in zip(right, self.images, strict=True)
        )

    @property
    def balanced(self) -> float:
        """Mean recall of the classes that have images, in %."""
        return float(np.mean([recall for recall in self.recalls if recall is not None]))

    @property
    def majority(self) -> float:
        """Accuracy of always answering the most frequent class, in %."""
        return float(100 * self.images.max() / self.confusion.sum())

    @property
    def never_predicted(self) -> tuple[int, ...]:
        """Classes that have images, but that the network predicts for none."""
        return tuple(np.flatnonzero((self.confusion.sum(0) == 0) & (self.images > 0)).tolist())

    def to_json(self, names: Sequence[str]) -> dict[str, Any]:
        """All figures as JSON values, by the names of the classes."""
        return {
            "balanced_accuracy": self.balanced,
            "majority_baseline": self.majority,
            "recall": dict(zip(names, self.recalls, strict=True)),
            "images": dict(zip(names, self.images.tolist(), strict=True)),
            "never_predicted": [names[label] for label in self.never_predicted],
            "confusion": self.confusion.tolist(),
        }


def confusion(labels: Tensor, predicted: Tensor, classes: int) -> NDArray[np.int64]:
    """Numbers of images ``(..., classes, classes)`` by true and predicted class.

    Args:
        labels: True classes, ``(n,)``.
        predicted: Predicted classes, ``(..., n)``.
        classes: Number of classes.
    """
    cells = (labels * classes + predicted).reshape(-1, len(labels)).cpu()
    counts = [torch.bincount(row, minlength=classes**2) for row in cells]
    table: NDArray[np.int64] = torch.stack(counts).numpy()
    return table.reshape(*predicted.shape[:-1], classes, classes)


def few_classes_warning(name: str, split: str, figures: ClassFigures, names: Sequence[str]) -> str:
    """Warning that a network never predicts some classes; empty if it predicts all that have images.

    Args:
        name: Name of the network.
        split: Name of the images.
        figures: Its figures on them.
        names: Names of the classes.
    """
    missing = [names[label] for label in figures.never_predicted]
    if not missing:
        return ""
    present = int((figures.images > 0).sum())
    listed = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    return (
        f"{name} predicts {present - len(missing)} of {present} classes on the {split} images "
        f"(never {listed}); always the largest class would have {figures.majority:.1f} %"
    )
