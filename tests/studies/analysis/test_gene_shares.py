from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from search_space.space import Space
from studies import StudySettings, run_study
from studies.analysis.gene_shares import gene_shares
from tests.studies.reports import make_study


def test_the_gene_that_decides_an_objective_has_the_largest_share(tiny_path: Path, tmp_path: Path) -> None:
    settings = StudySettings(
        objectives=("macs", "params"), space=str(tiny_path), sampler="random", population=54, generations=2
    )
    study = run_study(settings, database=tmp_path / "studies.db")
    assert len(study.measured) == 108, "every network"
    shares = study.importances()
    assert list(shares) == ["macs", "params"]
    for by_gene in shares.values():
        assert list(by_gene.values()) == sorted(by_gene.values(), reverse=True)
        assert all(0 < share <= 1 for share in by_gene.values())
    # Over the whole space genes are independent, and the resolution changes no weight.
    assert "resolution" in shares["macs"]
    assert "resolution" not in shares["params"]
    # A gene without a choice explains nothing.
    assert "stage1.vit_depth" not in shares["macs"]


def test_without_information_there_is_nothing(tiny: Space) -> None:
    study = make_study(tiny, "none", ("macs", "lat"))
    assert gene_shares(study, []) is None
    assert gene_shares(replace(study, space_definition={}), []) is None


def test_shares_are_those_of_the_columns_of_values(tiny_path: Path, tmp_path: Path) -> None:
    settings = StudySettings(
        objectives=("macs",), space=str(tiny_path), sampler="random", population=20, generations=1
    )
    study = run_study(settings, database=tmp_path / "studies.db")
    found = gene_shares(study.study, study.measured)
    assert found is not None
    assert found.evaluations == 20
    assert found.shares.shape == (1, len(found.genes))
    for (row, name), (column, gene) in product(enumerate(found.objectives), enumerate(found.genes)):
        share = float(found.shares[row, column])
        assert study.importances()[name].get(gene, 0.0) == pytest.approx(share, abs=1e-5)
