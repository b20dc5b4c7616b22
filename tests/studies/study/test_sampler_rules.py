"""Studies of `surrogate` from before its first generation was drawn within limits are refused plainly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studies import StudySettings, load_study, run_study
from studies.launch import new_study
from studies.study.constraint import parse_constraint
from studies.study.fingerprint import FingerprintError
from studies.study.sampler_rules import sampler_rules


@pytest.mark.parametrize(
    ("sampler", "limits", "is_concerned"),
    [
        ("surrogate", ["lat<=2ms"], True),
        ("surrogate", ["acc>=80%", "family=cnn"], True),
        ("surrogate", ["acc>=80%"], False),
        ("surrogate", [], False),
        ("nsga2", ["lat<=2ms"], False),
    ],
)
def test_studies_with_rules(sampler: str, limits: list[str], is_concerned: bool) -> None:
    assert bool(sampler_rules(sampler, list(map(parse_constraint, limits)))) == is_concerned


def test_an_earlier_study_is_refused_and_stays_as_it_was(
    tmp_path: Path, tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "studies.db"
    settings = StudySettings(
        study="early",
        objectives=("macs", "params"),
        constraints=("macs<=10M",),
        space=str(tiny_path),
        sampler="surrogate",
        population=4,
        generations=1,
    )
    with monkeypatch.context() as earlier:  # The version before wrote no rules.
        earlier.setattr(new_study, "sampler_rules", lambda *_: {})
        rows = run_study(settings, database=database).evaluations()
    with pytest.raises(
        FingerprintError, match=r"earlier version of the sampler 'surrogate'.*--warm-start early"
    ):
        run_study(settings, database=database)
    assert load_study(database, "early").evaluations() == rows
    new = run_study(replace(settings, study="new"), database=database)
    assert run_study(replace(settings, study="new"), database=database).evaluations() == new.evaluations()
