"""Lines of a training run."""

from __future__ import annotations

from supernet.training.supernet_run import _in_words


def test_accuracies_have_one_digit() -> None:
    assert _in_words({"largest": 81.25, "smallest": 7.04}) == "largest 81.2 %, smallest 7.0 %"
