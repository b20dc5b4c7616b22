"""Checks of exported files against the networks that they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from objectives.deployment.step_differences import StepDifference
from search_space.arrays import Floats, Integers
from search_space.errors import H4HError
from studies.analysis.held_out_scores import wilson

ONNX_TOLERANCE = 1e-4
"""Largest difference of a class score in an .onnx file, as a share of the largest score (at least 1)."""
LEAST_AGREEMENT = 90.0
"""Least share of images, in %, for which a .tflite file and the int8 oracle choose the same class."""
MOST_MEAN = 0.6
"""Largest mean difference of the values of a step between file and network, in steps of its grid."""
MOST_ABSOLUTE = 3.0
"""Largest mean absolute difference, in steps of its grid. Rounding alone reaches about 2."""
FEWEST_VALUES = 500
"""Number of values from which the mean difference of a step is compared."""


class DeploymentError(H4HError):
    """A network that cannot be deployed, or whose file differs from it."""


@dataclass(frozen=True)
class Agreement:
    """Class scores of a file beside those of the network that it holds.

    Attributes:
        images: Number of images.
        same_class: Share of images for which both choose the same class, in %.
        greatest: Largest difference of a class score, as a share of the largest score (at least 1).
        accuracy: Accuracy of the file in %.
        expected: Accuracy of the network in %.
    """

    images: int
    same_class: float
    greatest: float
    accuracy: float
    expected: float

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % confidence interval of the file's accuracy in %."""
        return wilson(round(self.accuracy * self.images / 100), self.images)


def agreement(scores: Floats, expected: Floats, labels: Integers) -> Agreement:
    """Compares class scores, each ``(n, classes)``, of images of classes `labels`, ``(n,)``."""
    chosen, wanted = scores.argmax(axis=1), expected.argmax(axis=1)
    return Agreement(
        images=len(labels),
        same_class=100 * float((chosen == wanted).mean()),
        greatest=float(np.abs(scores - expected).max() / max(1.0, float(np.abs(expected).max()))),
        accuracy=100 * float((chosen == labels).mean()),
        expected=100 * float((wanted == labels).mean()),
    )


def check_onnx(found: Agreement) -> None:
    """Raises `DeploymentError` if an .onnx file computes something else than the network."""
    if found.greatest > ONNX_TOLERANCE:
        raise DeploymentError(
            f"network.onnx differs from the network: a class score by {found.greatest:.1e} of the largest "
            f"(allowed: {ONNX_TOLERANCE:g}); nothing was written"
        )


def check_steps(differences: Sequence[StepDifference]) -> None:
    """Raises `DeploymentError` if a .tflite file computes other values than the network in some step."""
    for found in differences:
        is_shifted = abs(found.mean) > MOST_MEAN and found.values >= FEWEST_VALUES
        if is_shifted or found.absolute > MOST_ABSOLUTE:
            raise DeploymentError(
                f"network.tflite differs from the network in 8-bit integers, first in {found.step}: by "
                f"{found.absolute:.2f} steps of its grid, {found.mean:+.2f} on average (allowed: "
                f"{MOST_ABSOLUTE:g} and {MOST_MEAN:g}); nothing was written"
            )


def check_tflite(found: Agreement) -> None:
    """Raises `DeploymentError` if a .tflite file classifies otherwise than the int8 oracle."""
    if found.same_class < LEAST_AGREEMENT:
        raise DeploymentError(
            f"network.tflite differs from the network in 8-bit integers: the same class for "
            f"{found.same_class:.1f} % of {found.images} images (at least {LEAST_AGREEMENT:g} % needed); "
            f"nothing was written"
        )
