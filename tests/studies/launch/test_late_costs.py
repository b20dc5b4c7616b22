"""Costs that only designs within the other limits are measured for."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies.launch.late_costs import late_costs
from studies.launch.plan import check
from studies.study.settings import StudySettings

FEW = """\
base: u55-256-cim8
name: few
description: small macros
cim:
  capacity: {value: 2, unit: KiB/macro, low: 2, high: 128, source: test}
"""


def names(tmp_path: Path, **changed: object) -> frozenset[str]:
    settings = {"objectives": ("params", "lat"), "constraints": ("macs<=8M",), "sampler": "nsga2", **changed}
    return late_costs(check(StudySettings(**settings), tmp_path / "studies.db"))  # type: ignore[arg-type]


@pytest.fixture
def few(tmp_path: Path) -> str:
    path = tmp_path / "few.yaml"
    path.write_text(FEW)
    return str(path)


def test_costs_that_tables_cover_are_never_late(tmp_path: Path) -> None:
    assert names(tmp_path) == frozenset()
    assert names(tmp_path, hardware="u55-256") == frozenset()


def test_costs_of_networks_beyond_the_macros_are_late(tmp_path: Path, few: str) -> None:
    assert names(tmp_path, hardware=few) == {"lat"}
    assert names(tmp_path, hardware=few, mapping="npu") == frozenset()
    assert names(tmp_path, mapping="edp", objectives=("macs", "lat", "energy")) == {"lat", "energy"}
    assert names(tmp_path, hardware=few, objectives=("macs", "params")) == frozenset()


def test_a_sampler_that_predicts_sees_all_costs(tmp_path: Path, few: str) -> None:
    assert names(tmp_path, hardware=few, sampler="surrogate") == frozenset()
