from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.hardware.sensitivity import random_genotypes
from benchmarks.search.measured_accuracy import MeasuredAccuracy, measured_accuracy
from search_space.arrays import Floats
from search_space.errors import H4HError
from search_space.space import load_space
from search_space.subnet import Subnet

SPACE = load_space("cifar32")
GENOTYPES = random_genotypes(SPACE, 25, seed=0)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Subnet]:
    """What the oracle was asked for; it answers with the resolution."""
    asked: list[Subnet] = []

    class Oracle:
        def __init__(self, **settings: Any) -> None:
            self.images = str(settings["val_images"])

        def fingerprint(self) -> dict[str, str]:
            return {"checkpoint": "none", "images": self.images}

        def __call__(self, subnets: Sequence[Subnet]) -> Floats:
            asked.extend(subnets)
            return np.array([float(subnet.resolution) for subnet in subnets])

    monkeypatch.setattr("objectives.accuracy_objective.Accuracy", Oracle)
    monkeypatch.setenv("H4H_CACHE", str(tmp_path))
    return asked


def test_each_subnet_is_measured_once(measured: list[Subnet]) -> None:
    first = measured_accuracy(SPACE, GENOTYPES[:22])
    assert first.tolist() == [SPACE.decode(genotype).resolution for genotype in GENOTYPES[:22]]
    assert len(measured) == 22
    again = measured_accuracy(SPACE, GENOTYPES)
    assert again[:22].tolist() == first.tolist()
    assert len(measured) == 25


def test_subnets_that_begin_alike_are_measured_together_and_settings_apart(
    measured: list[Subnet], tmp_path: Path
) -> None:
    file = tmp_path / "own.db"
    with MeasuredAccuracy(SPACE, file=file, val_images=64) as accuracy:
        accuracy([*GENOTYPES, *GENOTYPES])
        assert accuracy.measured == 25
    canonical = sorted(SPACE.canonical(genotype) for genotype in GENOTYPES)
    assert measured == [SPACE.decode(genotype) for genotype in canonical]
    with MeasuredAccuracy(SPACE, file=file, val_images=128) as accuracy:
        accuracy(GENOTYPES[:3])
        assert accuracy.measured == 3
    with MeasuredAccuracy(SPACE, file=file, val_images=64) as accuracy:
        accuracy(GENOTYPES)
        assert accuracy.measured == 0
    assert len(measured) == 28


def test_damaged_file(measured: list[Subnet], tmp_path: Path) -> None:
    measured_accuracy(SPACE, GENOTYPES[:1])
    (file,) = tmp_path.iterdir()
    file.write_text("{" * 1000)
    with pytest.raises(H4HError, match=r"cannot be used.*delete it, .* or set H4H_CACHE"):
        measured_accuracy(SPACE, GENOTYPES[:1])
    assert len(measured) == 1
