from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studies import StudySettings, run_study
from studies.launch.plan import check
from studies.launch.sampler_choice import chosen_sampler, planned
from studies.study.study import Study


@pytest.mark.parametrize(
    ("limits", "count"),
    [
        ({}, 288),
        ({"generations": 20, "population": 10}, 200),
        ({"evaluations": 500}, 500),
        ({"evaluations": 500, "generations": 3}, 72),
        ({"minutes": 5}, math.inf),
    ],
)
def test_planned_evaluations(limits: dict[str, Any], count: float) -> None:
    assert planned(StudySettings(**limits)) == count


@pytest.mark.parametrize(
    ("limits", "count"),
    [
        ({"evaluations": 600}, 200),
        ({"evaluations": 300}, 0),
        ({"evaluations": 600, "generations": 3}, 72),
        ({}, 288),
        ({"minutes": 5}, math.inf),
    ],
)
def test_networks_of_earlier_studies_are_not_planned(limits: dict[str, Any], count: float) -> None:
    assert planned(StudySettings(**limits), carried=400) == count


@pytest.mark.parametrize(
    ("given", "is_expensive", "sampler"),
    [
        ({}, True, "surrogate"),
        ({}, False, "nsga2"),
        ({"evaluations": 500}, True, "surrogate"),
        ({"evaluations": 501}, True, "nsga2"),
        ({"minutes": 5}, True, "nsga2"),
        ({"racing": True}, True, "nsga2"),
        ({"sampler": "local"}, True, "local"),
    ],
)
def test_rule(given: dict[str, Any], is_expensive: bool, sampler: str) -> None:
    settings = StudySettings(**({"sampler": "auto"} | given))
    assert chosen_sampler(settings, is_expensive=is_expensive, stored=None) == sampler


def test_a_stored_study_keeps_its_sampler(study: Study) -> None:
    stored = replace(study, settings={"sampler": "local"})
    settings = StudySettings(sampler="auto", evaluations=501)
    assert chosen_sampler(settings, is_expensive=True, stored=stored) == "local"


def test_the_networks_that_all_brings_are_counted(tmp_path: Path) -> None:
    database, objectives = tmp_path / "studies.db", ("macs", "tests.studies.own_code:Slow")
    old = StudySettings(objectives=("macs", "params"), population=6, generations=2, study="old")
    brought = run_study(replace(old, sampler="random"), database=database).measured
    # The smallest and the largest network are in every first generation.
    settings = StudySettings(objectives=objectives, evaluations=500 + len(brought) - 2, warm_start=("old",))
    everything = replace(settings, warm_start_all=True)
    assert check(settings, database).settings.sampler == "nsga2"
    assert check(everything, database).settings.sampler == "surrogate"
    assert check(replace(everything, evaluations=500 + len(brought) - 1), database).search.sampler == "nsga2"


def test_cheap_objectives_are_searched_by_nsga2_and_the_study_says_so(tmp_path: Path) -> None:
    settings = StudySettings(objectives=("macs", "params"), sampler="auto", population=4, generations=1)
    lines: list[str] = []
    study = run_study(settings, database=tmp_path / "studies.db", on_notice=lines.append)
    assert study.settings.sampler == study.study.fingerprint["sampler"] == "nsga2"
    assert "nsga2, 4 subnets per generation" in lines[0]


def test_a_limited_accuracy_is_expensive_too(tmp_path: Path) -> None:
    settings = StudySettings(objectives=("macs",), constraints=("acc>=60%",), sampler="auto")
    assert check(settings, tmp_path / "studies.db").search.sampler == "surrogate"
