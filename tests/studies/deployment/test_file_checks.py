from __future__ import annotations

import numpy as np
import pytest

from objectives.deployment.step_differences import StepDifference
from studies.analysis.held_out_scores import wilson
from studies.deployment.file_checks import (
    DeploymentError,
    agreement,
    check_onnx,
    check_steps,
    check_tflite,
)


def test_agreement_in_closed_form() -> None:
    scores = np.array([[4.0, 0.0], [0.0, 2.0], [1.0, 0.5], [0.0, 1.0]])
    expected = np.array([[4.0, 0.0], [0.0, 2.5], [0.5, 1.0], [0.0, 1.0]])
    found = agreement(scores, expected, np.array([0, 1, 1, 1]))
    assert (found.images, found.same_class, found.accuracy, found.expected) == (4, 75.0, 75.0, 100.0)
    assert found.greatest == 0.5 / 4.0
    assert found.interval == wilson(3, 4)
    # Wilson (1927) for 3 of 4: centre (3/4 + z^2/8) / (1 + z^2/4), z = 1.96.
    z2 = 1.959964**2
    centre = (0.75 + z2 / 8) / (1 + z2 / 4)
    assert sum(found.interval) / 200 == pytest.approx(centre, abs=1e-6)


def test_differences_beyond_rounding_are_errors() -> None:
    same = np.array([[1.0, 0.0], [0.0, 1.0]])
    labels = np.array([0, 1])
    check_onnx(agreement(same + 5e-5, same, labels))
    check_tflite(agreement(same, same, labels))
    with pytest.raises(DeploymentError, match=r"network\.onnx differs .* by 2\.0e-04"):
        check_onnx(agreement(same + 2e-4, same, labels))
    with pytest.raises(DeploymentError, match=r"the same class for 50\.0 % of 2 images"):
        check_tflite(agreement(same[[0, 0]], same, labels))


def test_the_first_step_that_differs_is_named() -> None:
    check_steps([StepDifference("stem", 0.6, 3.0, 1000), StepDifference("few", 0.9, 1.0, 499)])
    with pytest.raises(DeploymentError, match=r"first in norm: by 1\.00 steps of its grid, -0\.70 on"):
        check_steps([StepDifference("norm", -0.7, 1.0, 500), StepDifference("head", 9.0, 9.0, 500)])
    with pytest.raises(DeploymentError, match=r"first in few: by 3\.10 steps"):
        check_steps([StepDifference("few", 0.0, 3.1, 10)])
