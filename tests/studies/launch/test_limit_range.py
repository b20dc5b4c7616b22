from __future__ import annotations

import pytest

from objectives.hardware import load_soc
from objectives.objective import Objective
from objectives.registry import ObjectiveContext, create_objectives
from objectives.three_networks import Spread
from search_space.space import Space
from studies.design_space.design_space import DesignSpace
from studies.launch.limit_range import check_possible, limit_lines
from studies.search.objective_range import objective_range
from studies.study.constraint import Constraint, ConstraintError, parse_constraint
from tests.studies.quality import Quality


def limits(*texts: str) -> list[Constraint]:
    return list(map(parse_constraint, texts))


@pytest.mark.parametrize(
    "texts", [("macs>=1M", "macs<=1M"), ("lat<=1ms", "macs>=2M"), ("acc>=100%",), ("acc<=101%",), ()]
)
def test_limits_that_some_network_might_satisfy_pass(texts: tuple[str, ...]) -> None:
    check_possible(limits(*texts))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("macs<=1M", "macs>=2M"), "'macs<=1000000' and 'macs>=2000000' exclude each other"),
        (("lat>=2ms", "acc>=50%", "lat<=999us"), "'lat<=0.999ms' and 'lat>=2ms' exclude each other"),
        (("acc>=100.5%",), "no network can reach more than 100 %"),
    ],
)
def test_limits_that_no_network_can_satisfy_are_refused(texts: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConstraintError, match=message):
        check_possible(limits(*texts))


@pytest.fixture(scope="module")
def counts() -> list[Objective]:
    return list(create_objectives(["macs", "params"], ObjectiveContext(load_soc("u55-128"))))


def test_limits_outside_the_range_of_the_space_say_so(tiny: Space, counts: list[Objective]) -> None:
    space = DesignSpace(tiny)
    least, most = map(int, objective_range(counts[0], space))
    assert limit_lines(limits(f"macs<={least}", f"macs>={most}", "vit_blocks>=1"), counts, space, []) == []
    assert limit_lines(limits(f"macs<={least - 1}", f"macs<={most}"), counts, space, []) == [
        f"limit macs<={least - 1}: the smallest network has {least:,}; probably none satisfies it",
        f"limit macs<={most}: the largest network has {most:,}; it probably excludes none",
    ]
    stated = limits(f"macs<={most}")
    assert limit_lines(stated, counts, space, [], stated) == []
    tight = limits(f"macs<={least - 1}")
    assert len(limit_lines(tight, counts, space, [], tight)) == 1
    assert limit_lines(limits(f"macs>={most + 1}", f"macs>={least}"), counts, space, []) == [
        f"limit macs>={most + 1}: the largest network has {most:,}; probably none satisfies it",
        f"limit macs>={least}: the smallest network has {least:,}; it probably excludes none",
    ]


def test_limits_inside_the_range_name_the_networks_that_hold_them(
    tiny: Space, counts: list[Objective]
) -> None:
    space = DesignSpace(tiny)
    least, most = map(int, objective_range(counts[0], space))
    spread = Spread("macs", "MACs", (least, (least + most) / 2, most))
    assert limit_lines(limits(f"macs<={most - 1}", f"macs>={most}"), counts, space, [spread]) == [
        f"limit macs<={most - 1}: the smallest and middle networks hold it",
        f"limit macs>={most}: the largest network holds it",
    ]


def test_limits_on_expensive_objectives_are_unknown(tiny: Space) -> None:
    quality = Quality()
    lines = limit_lines([Constraint("quality", ">=", 1.0, "%")], [quality], DesignSpace(tiny), [])
    assert lines == ["limit quality>=1%: not known before networks are measured"]
    assert quality.measured == []
