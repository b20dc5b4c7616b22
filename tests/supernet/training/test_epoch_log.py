"""Log of a training: its curves. What commands write is tested with them."""

from __future__ import annotations

from supernet.training.epoch_log import curves


def test_curves_are_the_numbers_of_an_epoch_but_its_own() -> None:
    record = {"epoch": 3, "phase": "cnn", "loss": {"largest": 0.5, "random": 2}, "seconds": 4.0}
    assert curves(record) == {"loss/largest": 0.5, "loss/random": 2.0, "seconds": 4.0}
