"""What a measurement of gradient conflict says."""

from __future__ import annotations

import pytest

from supernet.gradient_conflict.measurement import summarise


def test_summary_by_hand() -> None:
    # Means of the batches 0.2, 0.4 and 0.9: mean 0.5, variance (0.09 + 0.01 + 0.16) / 2 = 0.13.
    found = summarise([[-0.1, 0.5], [0.4], [0.9, 0.9, 0.9]])
    assert found.mean == pytest.approx(0.5)
    assert found.standard_error == pytest.approx((0.13 / 3) ** 0.5)
    assert found.negative == pytest.approx(1 / 6)
    assert found.count == 6
