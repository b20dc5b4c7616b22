"""Built-in search spaces: sizes and strides that their descriptions promise."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search_space.complexity import macs
from search_space.space import load_space


def test_photo128_fits_photographs() -> None:
    space = load_space("photo128")

    def of_side(side: int) -> int:
        alone = replace(space, resolution=(side,))
        return macs(alone.decode(alone.largest()))

    # From 40 to 150 MMAC over its range of sides, within a tenth.
    assert of_side(64) == pytest.approx(40e6, rel=0.1)
    assert of_side(128) == pytest.approx(150e6, rel=0.1)
    # Attention sees 64 tokens at most: a sixteenth of each side at 128 pixels.
    side = 128 // space.stem.stride
    for stage in space.stages:
        side //= stage.stride
        assert max(stage.vit_depth) == 0 or side <= 8
    assert side == 4
