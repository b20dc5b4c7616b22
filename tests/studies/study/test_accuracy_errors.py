from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from studies.study.accuracy_errors import scoring_images, standard_errors
from studies.study.study import Study


def test_errors_are_binomial_and_never_zero() -> None:
    errors = standard_errors(np.array([50.0, 90.0, 100.0, np.nan]), 10_000)
    assert errors[:2] == pytest.approx([0.5, 0.3], rel=1e-3)
    assert 0 < errors[2] < 0.02
    assert np.isnan(errors[3])


def test_the_number_of_images_is_that_of_the_fingerprint(study: Study) -> None:
    assert scoring_images(study) is None
    assert scoring_images(replace(study, fingerprint={"val_images": "2000"})) == 2000
    assert scoring_images(replace(study, fingerprint={"acc.val_images": "20", "val_images": "?"})) == 20
