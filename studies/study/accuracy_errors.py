"""Standard error of an accuracy: what other images of the same kind would change it by.

An accuracy p over n images is the mean of n outcomes, right or wrong. Its standard error is
sqrt(p (1 - p) / n). With p at 0 or 1 that would be no error at all, so two outcomes of each kind are added
(Agresti & Coull 1998).

Networks that are scored on the same images fail on the same hard ones. Their outcomes correlate, so a
difference of two accuracies is known better than either. A study keeps no outcome of a single image, so the
correlation is that of the shipped weights; `studies.validate --confirm` prints it for any study.
"""

from __future__ import annotations

import math

import numpy as np

from search_space.arrays import Floats
from studies.study.fingerprint import part_of
from studies.study.study import Study

ACCURACY = "acc"
SHARED_LUCK = 0.5
"""Correlation of the outcomes of two subnets on one image."""
_ADDED = 2
"""Right and wrong outcomes that are added, each."""


def scoring_images(study: Study) -> int | None:
    """Number of images that score a network of `study`; None if it is not known, as for a table."""
    text = part_of(study.fingerprint, ACCURACY, "val_images")
    return int(text) if text is not None and text.isdecimal() and int(text) > 0 else None


def standard_errors(accuracies: Floats, images: int) -> Floats:
    """Standard errors in points of accuracies in %, same shape; NaN stays.

    Args:
        accuracies: Accuracies in %.
        images: Number of images behind each.
    """
    share = (accuracies / 100 * images + _ADDED) / (images + 2 * _ADDED)
    errors: Floats = 100 * np.sqrt(share * (1 - share) / (images + 2 * _ADDED))
    return errors


def difference_error(first: float, second: float) -> float:
    """Standard error in points of the difference of two accuracies on the same images.

    Args:
        first: Standard error of one accuracy in points.
        second: That of the other.
    """
    return math.sqrt(first**2 + second**2 - 2 * SHARED_LUCK * first * second)
