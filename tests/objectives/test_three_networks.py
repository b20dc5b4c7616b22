from __future__ import annotations

import pytest

from objectives.three_networks import NETWORKS, Spread, holders_text, spread_lines, three_networks
from search_space.space import load_space


def test_the_middle_network_has_the_middle_of_every_gene() -> None:
    space = load_space("cifar32")
    smallest, middle, largest = three_networks(space)
    assert (smallest, largest) == (space.smallest(), space.largest())
    assert middle == space.canonical(middle)
    resolution, stem = space.genes[0], space.genes[1]
    assert resolution.options[middle[0]] == 28  # of 24, 28, 32
    assert stem.options[middle[1]] == 16  # the lower one of 16 and 24


def test_lines_align_and_name_units_once() -> None:
    spreads = [Spread("macs", "MACs", (1000.0, 2500.0, 20000.0)), Spread("lat", "ms", (0.0, 0.5, 2.0))]
    assert spread_lines(spreads) == [
        "          smallest  middle  largest  largest/smallest",
        "  macs       1,000   2,500   20,000               20x",
        "  lat ms         0     0.5        2                 -",
    ]


def test_networks_that_satisfy_a_condition() -> None:
    spread = Spread("lat", "ms", (1.0, 2.0, 3.0))
    assert spread.ratio == 3
    assert spread.holders(lambda value: value <= 2) == ["smallest", "middle"]
    assert spread.holders(lambda value: value > 3) == []


@pytest.mark.parametrize(
    ("holders", "text"),
    [
        (NETWORKS, "all three networks hold"),
        (NETWORKS[1:], "the middle and largest networks hold"),
        (NETWORKS[:1], "the smallest network holds"),
    ],
)
def test_text_of_networks(holders: tuple[str, ...], text: str) -> None:
    assert holders_text(holders) == text
