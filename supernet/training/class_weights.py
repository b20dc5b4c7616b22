"""Weights of the classes in the loss, so that rare classes count as much as frequent ones."""

from __future__ import annotations

import torch
from torch import Tensor

from supernet.checkpoints.image_input import NONE


def class_weights(kind: str, labels: Tensor, classes: int) -> Tensor | None:
    """Weights ``(classes,)``, float32, whose mean over the images is 1; None for equal weights.

    With ``balanced``, a class of `n` of `N` images weighs N / (classes n), as in scikit-learn. A class
    without images weighs 0 and does not count.

    Args:
        kind: One of `supernet.checkpoints.image_input.CLASS_WEIGHTS`.
        labels: Class of each training image, ``(N,)``.
        classes: Number of classes.
    """
    if kind == NONE:
        return None
    counts = torch.bincount(labels, minlength=classes).double()
    present = int((counts > 0).sum())
    weights = torch.where(counts > 0, len(labels) / (present * counts), 0.0)
    return weights.float()
