"""Limits by the memories of the chip: where they are added, where not, and what the run says."""

from __future__ import annotations

from pathlib import Path

import pytest

from objectives.hardware.spill import SpillError
from search_space.errors import H4HError
from studies.launch.plan import Plan, check
from studies.launch.plan_objects import make_objectives
from studies.launch.run_or_resume import introduction
from studies.study.settings import StudySettings

SRAM, STORE = "sram<=1048576B", "params<=4194304"


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def plan(objectives: str = "params,lat", space: str = "imagenet224", **settings: object) -> Plan:
    return check(
        StudySettings(objectives=tuple(objectives.split(",")), space=space, **settings),  # type: ignore[arg-type]
        Path("studies.db"),
    )


def limits(found: Plan) -> list[str]:
    return list(map(str, found.constraints))


def test_networks_of_the_large_space_may_exceed_both_memories() -> None:
    found = plan()
    assert limits(found) == [SRAM, STORE]
    lines = introduction(found)
    assert lines[1:] == [
        f"limit {SRAM} (sram<=chip): the SRAM of u55-256-cim8 has 1,024 KiB; networks of imagenet224 need up "
        f"to 2,205 KiB; --spill costs the others instead of excluding them",
        f"limit {STORE} (params<=chip): the weight store of u55-256-cim8 has 4,096 KiB; networks of "
        f"imagenet224 have up to 9,045 KiB; a chip with a larger store admits more",
    ]


@pytest.mark.parametrize(
    ("objectives", "changes", "is_noted"),
    [
        ("acc,lat", {"hardware": "u55-256-tiles8"}, True),
        ("acc,lat", {"hardware": "u55-256-tiles8", "macros": 0}, False),
        ("macs,lat", {"hardware": "u55-256-tiles8"}, False),
        ("acc,lat", {"hardware": "u55-256-cim8"}, False),
    ],
)
def test_accuracy_on_in_array_macros_says_that_it_counts_no_noise(
    objectives: str, changes: dict[str, object], is_noted: bool
) -> None:
    lines = introduction(plan(objectives, space="cifar32", **changes))
    assert any("acc counts no noise of in-array macros" in line for line in lines) == is_noted


def test_a_space_whose_networks_all_fit_gets_none() -> None:
    found = plan(space="cifar32")
    assert limits(found) == []
    assert len(introduction(found)) == 1


def test_a_study_that_does_not_depend_on_the_chip_gets_none() -> None:
    assert limits(plan("macs,params")) == []


def test_flash_holds_all_weights() -> None:
    assert limits(plan(hardware="u55-256-flash-cim8")) == [SRAM]


def test_limits_of_the_user_come_first_and_count() -> None:
    tight = plan(constraints=("sram<=512KiB", "lat<=9ms"))
    assert limits(tight) == ["sram<=524288B", "lat<=9ms", STORE]
    loose = plan(constraints=("sram<=2MiB",))
    assert limits(loose) == ["sram<=2097152B", SRAM, STORE]
    asked = plan(constraints=("sram<=chip", "params<=chip"))
    assert limits(asked) == [SRAM, STORE]
    assert asked.added == ()


def test_the_same_limits_follow_from_a_stored_study() -> None:
    first = plan(constraints=("lat<=9ms",))
    again = plan(constraints=tuple(limits(first)))
    assert again.constraints == first.constraints


def test_spilling_takes_the_limit_of_the_sram_away() -> None:
    found = plan(spill=True)
    assert limits(found) == [STORE]
    objective = make_objectives(found, print).goals[1]
    space = found.networks
    subnets = [space.decode(space.smallest()), space.decode(space.largest())]
    without = make_objectives(plan(), print).goals[1]
    small, large = objective(subnets) - without(subnets)
    assert small == 0  # fits
    assert large > 1  # MRAM takes 10 MB/s
    assert objective.fingerprint() != without.fingerprint()


def test_flash_cannot_be_spilt_to() -> None:
    with pytest.raises(SpillError, match=r"u55-256-flash.*of kind 'flash', without") as caught:
        plan(spill=True, hardware="u55-256-flash")
    assert isinstance(caught.value, H4HError)
    assert "\n" not in str(caught.value)


def test_a_frame_rate_limits_the_latency_as_well() -> None:
    rated = "power<=20mW@50fps"
    found = plan(space="cifar32", constraints=(rated, "power<=9mW@10fps"))
    assert limits(found) == [rated, "power<=9mW@10fps", "lat<=20ms"]
    assert introduction(found)[1:] == [
        "limit lat<=20ms: an inference must end before the next frame of the limited frame rate"
    ]
    assert found.limited == ("power@50fps", "power@10fps")
    assert [each.name for each in make_objectives(found, print).limited] == list(found.limited)
    assert limits(plan(space="cifar32", constraints=(rated, "lat<=5ms"))) == [rated, "lat<=5ms"]


def test_a_frame_time_is_short_in_messages_and_exact_in_the_study() -> None:
    found = plan(space="cifar32", constraints=("power<=20mW@30fps",))
    assert limits(found)[1] == f"lat<={1000 / 30!r}ms"
    assert introduction(found)[1].startswith("limit lat<=33.3333ms: an inference must end")
