"""A hundred kills over all samplers: the table stays that of an uninterrupted run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from studies.samplers.registry import known_samplers
from tests.faults.killed_forks import GENERATIONS, KILLS, MOST_GENERATIONS, POPULATION

ROOT = Path(__file__).parents[2]


def test_there_are_a_hundred_kills() -> None:
    assert KILLS * len(known_samplers()) >= 100


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("sampler", known_samplers())
def test_ten_kills_change_nothing(tmp_path: Path, sampler: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.faults.killed_forks", sampler, str(tmp_path)],
        env={
            "PYTHONPATH": str(ROOT),
            "PATH": "/usr/bin:/bin",
            "OMP_NUM_THREADS": "1",
            "H4H_CACHE": str(tmp_path),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    kills, rows = map(int, ended.stdout.split())
    assert kills == KILLS
    assert rows == POPULATION * GENERATIONS.get(sampler, MOST_GENERATIONS)
