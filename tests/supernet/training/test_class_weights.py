from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from supernet.checkpoints.image_input import BALANCED, NONE
from supernet.training.class_weights import class_weights


def test_three_of_one_class_and_one_of_another_by_hand() -> None:
    weights = class_weights(BALANCED, torch.tensor([0, 0, 0, 1]), 2)
    assert weights is not None
    assert weights.tolist() == pytest.approx([4 / (2 * 3), 4 / (2 * 1)])
    assert class_weights(NONE, torch.tensor([0, 0, 0, 1]), 2) is None


@given(st.lists(st.integers(0, 4), min_size=1, max_size=60))
def test_classes_that_occur_weigh_the_same_and_images_1_on_average(labels: list[int]) -> None:
    weights = class_weights(BALANCED, torch.tensor(labels), 5)
    assert weights is not None
    of_images = weights[torch.tensor(labels)]
    assert of_images.mean().item() == pytest.approx(1, rel=1e-5)
    totals = {label: of_images[torch.tensor(labels) == label].sum().item() for label in labels}
    assert max(totals.values()) == pytest.approx(min(totals.values()), rel=1e-5)
    assert all(weights[label] == 0 for label in set(range(5)) - set(labels))
