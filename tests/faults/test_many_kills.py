"""A hundred kills over all samplers: the table stays that of an uninterrupted run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from studies.samplers.registry import known_samplers
from tests.faults.killed_forks import GENERATIONS, KILLS, MOST_GENERATIONS, POPULATION
from tests.warm_process import ROOT, completed


def test_there_are_a_hundred_kills() -> None:
    assert KILLS * len(known_samplers()) >= 100


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("sampler", known_samplers())
def test_ten_kills_change_nothing(tmp_path: Path, sampler: str) -> None:
    ended = completed(
        ["-m", "tests.faults.killed_forks", sampler, str(tmp_path)],
        folder=ROOT,
        environment={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "H4H_CACHE": str(tmp_path)},
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    kills, rows = map(int, ended.stdout.split())
    assert kills == KILLS
    assert rows == POPULATION * GENERATIONS.get(sampler, MOST_GENERATIONS)
