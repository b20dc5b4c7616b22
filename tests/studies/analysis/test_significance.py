from __future__ import annotations

import pytest
from scipy import stats

from studies.analysis.significance import MANN_WHITNEY, WILCOXON, holm, least_p, seeds_needed


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@pytest.mark.parametrize("count", [2, 5, 8])
def test_least_p_is_that_of_differences_of_one_sign(count: int) -> None:
    low, high = list(range(count)), list(range(100, 100 + 2 * count, 2))
    paired = stats.wilcoxon([b - a for a, b in zip(low, high, strict=True)]).pvalue
    assert least_p(WILCOXON, count, count) == pytest.approx(paired)
    assert least_p(MANN_WHITNEY, count, count + 1) == pytest.approx(
        stats.mannwhitneyu(low, [*high, 999], method="exact").pvalue
    )
    assert least_p(WILCOXON, 1, 1) == 1


def test_seeds_needed() -> None:
    # 2 / 2^5 = 0.0625 and 2 / 2^6 = 0.031; three tests need 2 / 2^7 = 0.0156; 2 / C(8, 4) = 0.029.
    assert (seeds_needed(WILCOXON, 1), seeds_needed(WILCOXON, 3)) == (6, 7)
    assert seeds_needed(MANN_WHITNEY, 1) == 4
