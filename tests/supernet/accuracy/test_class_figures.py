"""Figures by class, against counts by hand and against scikit-learn's definition of balanced accuracy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from supernet.accuracy.class_figures import ClassFigures, confusion, few_classes_warning
from supernet.accuracy.class_tables import class_table, summary

NAMES = ("cat", "dog", "eel")

BY_HAND = ClassFigures(np.array([[6, 2, 0], [1, 1, 0], [0, 0, 0]]))
"""Ten images: of 8 cats, 6 are right; of 2 dogs, 1; there is no eel."""


def test_figures_by_hand() -> None:
    assert BY_HAND.accuracy == 70.0
    assert BY_HAND.recalls == (75.0, 50.0, None)
    assert BY_HAND.balanced == 62.5
    assert BY_HAND.majority == 80.0
    assert BY_HAND.never_predicted == ()  # No eel could be missed.
    assert BY_HAND.images.tolist() == [8, 2, 0]
    assert BY_HAND.to_json(NAMES)["recall"] == {"cat": 75.0, "dog": 50.0, "eel": None}
    assert summary(BY_HAND, NAMES) == "accuracy 70.00 %, balanced 62.50 %, always 'cat' 80.00 %"
    assert few_classes_warning("largest", "test", BY_HAND, NAMES) == ""


def test_a_class_that_is_never_predicted_is_named() -> None:
    always_cat = ClassFigures(np.array([[8, 0, 0], [1, 0, 0], [1, 0, 0]]))
    assert always_cat.never_predicted == (1, 2)
    assert always_cat.balanced == pytest.approx(100 / 3)
    text = few_classes_warning("largest", "test", always_cat, NAMES)
    assert text.startswith("largest predicts 1 of 3 classes on the test images (never dog, eel)")
    assert "80.0 %" in text


def test_confusion_by_hand() -> None:
    labels = torch.tensor([0, 0, 1, 2])
    predicted = torch.tensor([[0, 1, 1, 2], [2, 2, 2, 2]])
    expected = [[[1, 1, 0], [0, 1, 0], [0, 0, 1]], [[0, 0, 2], [0, 0, 1], [0, 0, 1]]]
    assert confusion(labels, predicted, 3).tolist() == expected
    assert confusion(labels, predicted[0], 3).tolist() == expected[0]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40))
def test_totals_and_bounds(pairs: list[tuple[int, int]]) -> None:
    labels, predicted = (torch.tensor(part) for part in zip(*pairs, strict=True))
    figures = ClassFigures(confusion(labels, predicted, 4))
    assert figures.confusion.sum() == len(pairs)
    assert figures.accuracy == pytest.approx(100 * float((labels == predicted).double().mean()))
    means = [float((predicted[labels == label] == label).double().mean()) for label in set(labels.tolist())]
    assert figures.balanced == pytest.approx(100 * np.mean(means))
    assert figures.majority >= 100 / 4
    assert set(figures.never_predicted) == set(labels.tolist()) - set(predicted.tolist())


def test_tables_show_the_matrix_of_few_classes_and_the_worst_confusions_of_many() -> None:
    table = class_table(BY_HAND, NAMES)
    assert [column.header for column in table.columns] == [
        *("class", "images", "recall %", "as cat", "as dog", "as eel")
    ]
    assert [next(iter(column.cells)) for column in table.columns] == ["cat", "8", "75.0", "6", "2", "0"]
    many = np.zeros((20, 20), np.int64)
    many[3, 3], many[3, 7], many[3, 5], many[3, 9], many[3, 2] = 1, 4, 2, 1, 1
    names = [f"c{label}" for label in range(20)]
    cells = list(class_table(ClassFigures(many), names).columns[-1].cells)
    assert cells[3] == "c7 (4), c5 (2), c2 (1)"
    assert cells[0] == ""
