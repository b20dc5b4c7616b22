"""What the rows of the NPU benchmarks compare, worked by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.hardware import npu_memory
from benchmarks.hardware.npu_hard_ops import hard_ops
from benchmarks.hardware.npu_model_error import bias_difference, judge_hard_ops, row


def test_row_by_hand() -> None:
    one = row("ops", "u55-128", 3.0, np.array([98.0, 204.0, 297.0]), np.array([100.0, 200.0, 300.0]))
    assert (one.mape, one.worst, one.bias) == pytest.approx((5 / 3, 2.0, -1 / 3))
    assert one.spearman == 1
    assert one.is_met
    assert not replace(one, asked=1.6).is_met
    assert not replace(one, covered=97.9).is_met
    assert not replace(one, asked_rank=0.998, spearman=0.997).is_met


def test_difference_of_biases_has_no_sign_where_it_is_judged() -> None:
    expected = np.array([100.0, 100.0])
    cnns = row("flash, CNNs", "u55-128", 8.0, np.array([104.0, 102.0]), expected)
    hybrids = row("flash, hybrids", "u55-128", 8.0, np.array([98.0, 100.0]), expected)
    one = bias_difference(cnns, hybrids)
    assert (one.mape, one.bias, one.count) == pytest.approx((4.0, -4.0, 4))
    assert not one.is_met
    assert replace(one, mape=3.0).is_met


def test_ops_on_which_earlier_forms_erred() -> None:
    assert all(len(ops) >= 8 for ops in hard_ops().values())
    rows = judge_hard_ops()
    assert all(one.is_met for one in rows), [one for one in rows if not one.is_met]
    stems = [one for one in rows if "image" in one.name]
    assert [one.worst for one in stems] == pytest.approx([0, 0], abs=0.01)


@pytest.mark.parametrize(
    ("change", "is_met"),
    [
        ({}, True),
        ({"ratio": 0.94}, False),
        ({"ratio": 1.06}, False),
        ({"lowest": 0.89}, False),
        ({"spearman": 0.97}, False),
        ({"fit": 0.979}, False),
    ],
)
def test_what_is_asked_of_memory(change: dict[str, float], is_met: bool) -> None:
    figures = {"ratio": 1.0, "lowest": 0.95, "spearman": 0.99, "fit": 0.99} | change
    assert npu_memory.is_met(figures) == is_met
