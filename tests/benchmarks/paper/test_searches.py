"""Searches of the comparison: extended, cut, and sharing accuracies."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.paper.searches import Search, Searches
from objectives.accuracy_objective import Accuracy
from search_space.space import load_space

pytestmark = pytest.mark.slow


def test_a_search_is_extended_and_cut(
    small_inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[int] = []
    right = Accuracy.right

    def counted(self: Accuracy, subnets: list[object], stops: object = None) -> object:
        scored.append(len(subnets))
        return right(self, subnets, stops)  # type: ignore[arg-type]

    monkeypatch.setattr(Accuracy, "right", counted)
    lines: list[str] = []
    searches = Searches(
        database=tmp_path / "results.db",
        space=load_space(str(small_inputs / "small.yaml")),
        checkpoint=small_inputs / "net.safetensors",
        data=small_inputs / "images",
        val_images=None,
        workers=1,
        device="cpu",
        notify=lines.append,
    )
    one = Search("u55-256-cim8", "lat", 3)
    short = searches.run(one, 10, None)
    long = searches.run(one, 20, None)
    assert long.evaluations[:10] == short.evaluations
    assert len(long.evaluations) == 20
    assert sum(scored) == 20
    # What is there already is read, and cut to the budget.
    count = len(lines)
    assert searches.run(one, 10, None).evaluations == short.evaluations
    assert len(lines) == count
    assert short.front() == long.front(10)
    # Another chip begins with the same networks, whose accuracies are known.
    other = searches.run(Search("u55-256", "lat", 3), 20, None)
    assert [row.genotype for row in other.evaluations] == [row.genotype for row in long.evaluations]
    assert sum(scored) == 20
