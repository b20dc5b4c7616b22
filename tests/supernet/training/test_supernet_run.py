"""Lines and curves of a training run."""

from __future__ import annotations

from supernet.training.supernet_run import _curves, _in_words


def test_curves_are_the_numbers_of_an_epoch_but_its_own() -> None:
    record = {"epoch": 3, "phase": "cnn", "loss": {"largest": 0.5, "random": 2}, "seconds": 4.0}
    assert _curves(record) == {"loss/largest": 0.5, "loss/random": 2.0, "seconds": 4.0}


def test_accuracies_have_one_digit() -> None:
    assert _in_words({"largest": 81.25, "smallest": 7.04}) == "largest 81.2 %, smallest 7.0 %"
