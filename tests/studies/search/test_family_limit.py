"""A study limited to one family of networks, from the text of its constraint to its front."""

from __future__ import annotations

from pathlib import Path

import pytest

from search_space.errors import H4HError, UnknownNameError
from search_space.families import Family
from studies import StudySettings, run_study
from studies.study.constraint import parse_any_constraint, parse_constraint


@pytest.mark.parametrize("sampler", ["nsga2", "random", "surrogate"])
def test_all_but_the_extremes_are_of_the_family(tmp_path: Path, sampler: str) -> None:
    settings = StudySettings(
        objectives=("macs", "params"),
        constraints=("family=cnn-then-vit",),
        sampler=sampler,
        population=12,
        generations=1,
    )
    study = run_study(settings, database=tmp_path / "studies.db")
    rows = study.evaluations()
    assert [row["family"] for row in rows[2:]] == ["cnn-then-vit"] * 10
    assert all(row["feasible"] == (row["family"] == "cnn-then-vit") for row in rows)
    # The stored text is read again, and the study resumes by it.
    again = run_study(settings, database=tmp_path / "studies.db")
    assert again.evaluations() == rows


def test_texts() -> None:
    limit = parse_constraint(" family = cnn-then-vit ")
    assert (str(limit), limit.family) == ("family=cnn-then-vit", Family.CNN_THEN_VIT)
    assert parse_any_constraint(str(limit)) == limit
    assert limit.violation(0) == 0
    assert limit.violation(2) == 2
    assert parse_constraint("lat<=2ms").family is None


def test_unknown_family() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown family 'cnnx'.*did you mean 'cnn'\?"):
        parse_constraint("family=cnnx")


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        (("family=cnn", "family=vit"), "'family=cnn' and 'family=vit' exclude each other"),
        (("family=vit",), "space 'tiny' has no network of this family; it has cnn, none"),
    ],
)
def test_impossible_families(
    tiny_path: Path, tmp_path: Path, constraints: tuple[str, ...], message: str
) -> None:
    settings = StudySettings(objectives=("macs",), constraints=constraints, space=str(tiny_path))
    with pytest.raises(H4HError, match=message):
        run_study(settings, database=tmp_path / "studies.db")
    assert not (tmp_path / "studies.db").exists()
