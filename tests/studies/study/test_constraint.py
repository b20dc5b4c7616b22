from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.registry import declarations
from search_space.errors import H4HError
from studies.study.constraint import (
    OPERATORS,
    Constraint,
    limited_quantity,
    parse_any_constraint,
    parse_constraint,
)
from studies.study.quantity_units import known_units


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lat<=2ms", Constraint("lat", "<=", 2.0, "ms")),
        ("lat <= 1500 us", Constraint("lat", "<=", 1.5, "ms")),
        ("lat<=250µs", Constraint("lat", "<=", 0.25, "ms")),
        ("lat<=1e-3s", Constraint("lat", "<=", 1.0, "ms")),
        ("energy<=0.4mJ", Constraint("energy", "<=", 0.4, "mJ")),
        ("energy<=400uJ", Constraint("energy", "<=", 0.4, "mJ")),
        ("acc>=80%", Constraint("acc", ">=", 80.0, "%")),
        ("params<=1M", Constraint("params", "<=", 1e6, "")),
        ("macs<=10M", Constraint("macs", "<=", 1e7, "")),
        ("macs<=10000", Constraint("macs", "<=", 1e4, "")),
        ("area<=3mm2", Constraint("area", "<=", 3.0, "mm2")),
        ("area <= 3e6 um2", Constraint("area", "<=", 3.0, "mm2")),
        ("sram<=256kB", Constraint("sram", "<=", 256e3, "B")),
        ("sram<=256KiB", Constraint("sram", "<=", 262144.0, "B")),
        ("vit_blocks>=1", Constraint("vit_blocks", ">=", 1.0, "")),
    ],
)
def test_reads_quantity_limit_and_unit(text: str, expected: Constraint) -> None:
    constraint = parse_constraint(text)
    assert (constraint.quantity, constraint.operator, constraint.unit) == (
        expected.quantity,
        expected.operator,
        expected.unit,
    )
    assert constraint.bound == pytest.approx(expected.bound, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("lat<=2mJ", "ns, us, ms, s"),
        ("lat<=2", "but got none"),
        ("energy<=2ms", "nJ, uJ, mJ, J"),
        ("acc>=0.8", "one of %"),
        ("params<=1MB", "k, M, G, or left out"),
        ("vit_blocks>=1k", "must be left out"),
        ("latency<=2ms", "did you mean 'lat'"),
        ("lat=2ms", "'lat<=2ms'"),
        ("lat<2ms", "<= or >="),
        ("lat<=twoms", "a number"),
        ("lat<=-1ms", "not be negative"),
        ("lat<=1e999ms", "finite"),
        ("lat<=nanms", "a number"),
        ("", "vit_blocks"),
        ("lat<=2ms; energy<=1mJ", "a number and its unit"),
    ],
)
def test_refuses_and_names_what_is_allowed(text: str, named: str) -> None:
    with pytest.raises(H4HError) as error:
        parse_constraint(text)
    assert named in str(error.value)


@given(
    quantity=st.sampled_from(sorted(known_units())),
    operator=st.sampled_from(OPERATORS),
    bound=st.floats(0, 1e15),
)
def test_text_reads_back(quantity: str, operator: str, bound: float) -> None:
    base = next(unit for unit, factor in known_units()[quantity].items() if factor == 1.0)
    constraint = Constraint(quantity, operator, bound, base)
    assert parse_constraint(str(constraint)) == parse_any_constraint(str(constraint)) == constraint


@given(bound=st.floats(0, 1e6), value=st.floats(0, 1e6), operator=st.sampled_from(OPERATORS))
def test_violation_is_positive_if_and_only_if_the_limit_is_broken(
    bound: float, value: float, operator: str
) -> None:
    holds = value <= bound if operator == "<=" else value >= bound
    assert (Constraint("lat", operator, bound, "ms").violation(value) <= 0) == holds


def test_violation_is_a_share_of_the_limit() -> None:
    assert parse_constraint("lat<=2ms").violation(3.0) == 0.5
    assert parse_constraint("acc>=80%").violation(60.0) == 0.25
    assert parse_constraint("vit_blocks<=0").violation(2.0) == 2.0


def test_unmeasured_counts_as_broken_and_no_better_than_anything_measured() -> None:
    constraint = parse_constraint("acc>=80%")
    assert constraint.violation(None) == 1.0
    assert constraint.violation(None) >= max(constraint.violation(acc) for acc in np.linspace(0, 100, 11))


def test_every_objective_can_be_limited_in_the_unit_it_is_measured_in() -> None:
    units = known_units()
    written = {"bytes": "B", "MACs": "", "parameters": ""}
    for name, declared in declarations().items():
        assert units[name][written.get(declared.unit, declared.unit)] == 1.0
    assert set(units) == {*declarations(), "conv_blocks", "vit_blocks"}


def test_an_own_objective_is_limited_in_its_own_unit() -> None:
    units = {"speed": "GOPS", "heat": "uJ"}
    assert parse_constraint("speed>=3GOPS", units) == Constraint("speed", ">=", 3.0, "GOPS")
    assert parse_constraint("heat<=3mJ", units) == Constraint("heat", "<=", 3000.0, "uJ")
    with pytest.raises(H4HError, match="unit of speed must be one of GOPS, but got 'ms'"):
        parse_constraint("speed>=3ms", units)
    with pytest.raises(H4HError, match="unknown quantity 'speed'"):
        parse_constraint("speed>=3GOPS")
    # A stored study is shown without the objective.
    assert parse_any_constraint("speed>=3GOPS") == Constraint("speed", ">=", 3.0, "GOPS")


BOUNDS = {"sram": 1024.0, "params": 4096.0}


@pytest.mark.parametrize("text", ["sram<=chip", " sram <= chip "])
def test_the_sram_of_the_chip_is_a_limit(text: str) -> None:
    assert parse_constraint(text, chip_bounds=BOUNDS) == Constraint("sram", "<=", 1024.0, "B")
    assert limited_quantity(text) == "sram"


def test_the_weight_store_of_the_chip_is_a_limit() -> None:
    limit = parse_constraint("params <= chip", chip_bounds=BOUNDS)
    assert limit == Constraint("params", "<=", 4096.0, "")
    assert parse_constraint(str(limit)) == limit
    assert limited_quantity("params<=chip") == "params"
    with pytest.raises(H4HError, match="must be a quantity"):
        parse_constraint("params<=chip", chip_bounds={"sram": 1024.0})  # a chip without an NPU


@pytest.mark.parametrize("text", ["sram>=chip", "lat<=chip", "sram<=chips", "sram<=1chip"])
def test_nothing_else_is_limited_by_the_chip(text: str) -> None:
    with pytest.raises(H4HError) as error:
        parse_constraint(text, chip_bounds=BOUNDS)
    assert "sram<=chip" in str(error.value) or "unit of sram" in str(error.value)


def test_without_a_chip_its_sram_is_refused() -> None:
    with pytest.raises(H4HError, match="must be a quantity"):
        parse_constraint("sram<=chip")
    assert limited_quantity("lat<=2ms") == "lat"


def test_power_at_a_frame_rate() -> None:
    limit = parse_constraint("power <= 0.02W @ 30 fps")
    assert limit == Constraint("power@30fps", "<=", 20.0, "mW")
    assert str(limit) == "power<=20mW@30fps"
    assert parse_any_constraint(str(limit)) == limit
    assert limited_quantity(str(limit)) == "power"
    assert limit.frame_limit == Constraint("lat", "<=", pytest.approx(1000 / 30), "ms")  # type: ignore[arg-type]
    assert parse_constraint("power<=20mW").frame_limit is None
    assert str(parse_constraint("power<=1mW@0.5fps")) == "power<=1mW@0.5fps"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("energy<=2mJ@30fps", "only power may be limited at a frame rate"),
        ("power<=20mW@0fps", "the frame rate must be 1e-06 to 1e+09 fps, but got 0"),
        ("power<=20mW@-3fps", "must be a quantity"),
        ("power<=20mW@30", "must be a quantity"),
        ("power<=20ms@30fps", "unit of power must be"),
    ],
)
def test_wrong_frame_rates(text: str, message: str) -> None:
    with pytest.raises(H4HError) as error:
        parse_constraint(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@given(
    quantity=st.sampled_from(sorted(known_units())),
    bound=st.floats(1e-3, 1e6),
    data=st.data(),
)
def test_unit_of_a_limit_decides_nothing(quantity: str, bound: float, data: st.DataObject) -> None:
    units = known_units()[quantity]
    unit = data.draw(st.sampled_from(sorted(units)))
    base = parse_constraint(f"{quantity}<=1{unit}").unit
    one = parse_constraint(f"{quantity}<={bound!r}{base}")
    other = parse_constraint(f"{quantity}<={bound / units[unit]!r}{unit}")
    assert (other.quantity, other.operator, other.unit) == (one.quantity, one.operator, one.unit)
    assert other.bound == pytest.approx(one.bound, rel=1e-12)
