"""Ranking benchmark: choice of subnets, agreement, and resuming."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from benchmarks.supernet import ranking_quality as ranking
from benchmarks.supernet.ranking_quality import Budget, agreement, spread
from search_space.complexity import macs
from search_space.errors import H4HError
from search_space.families import Family, family
from search_space.space import load_space
from supernet.images import cifar10
from supernet.images.labelled_images import LabelledImages
from tests.command import Call, Command
from tests.supernet.image_files import pass_as_trained_on


def test_subnets_are_spread_over_families_and_sizes() -> None:
    subnets = spread(load_space("cifar32"), 12, seed=0)
    assert Counter(map(family, subnets)).values() == pytest.approx([3, 3, 3, 3])
    sizes = [macs(subnet) for subnet in subnets]
    assert all(small < large for small, large in pairwise(sizes))
    assert sizes[-1] > 3 * sizes[0]
    assert spread(load_space("cifar32"), 12, seed=0) == subnets
    assert spread(load_space("cifar32"), 12, seed=1) != subnets


def test_what_a_family_lacks_falls_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "POOL", 64)
    subnets = spread(load_space("cifar32"), 12, seed=0)
    assert Family.VIT not in map(family, subnets)
    assert len(set(subnets)) == 12


@pytest.mark.parametrize(
    ("alone", "tau"), [([1, 2, 3, 4, 5], 1), ([5, 4, 3, 2, 1], -1), ([2, 1, 3, 4, 5], 0.8)]
)
def test_tau_by_hand(alone: list[float], tau: float) -> None:
    # One swapped pair of ten: (9 - 1) / 10.
    found = agreement([10, 20, 30, 40, 50], alone)
    assert found.tau == pytest.approx(tau)
    assert -1 <= found.low <= found.tau <= found.high <= 1


def test_no_order_no_tau() -> None:
    with pytest.raises(H4HError, match="choose a larger --budget"):
        agreement([1, 2, 3], [10, 10, 10])


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data" / cifar10.FOLDER).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (228, 3, 32, 32), generator=generator, dtype=torch.uint8)
    images = LabelledImages(pixels, torch.arange(228) % 10)
    monkeypatch.setattr(cifar10, "SEARCH_IMAGES", 100)
    monkeypatch.setattr(cifar10, "load", lambda directory: (images, images))
    pass_as_trained_on(monkeypatch)
    monkeypatch.setattr(ranking, "BUDGETS", {"smoke": Budget(images=128, epochs=1, search_images=100)})
    monkeypatch.setattr(ranking, "SUBNETS", 3)
    monkeypatch.setattr(ranking, "POOL", 256)


@pytest.fixture
def call(command: Command) -> Call:
    return partial(command, ranking.main, "--budget", "smoke", "--precision", "fp32")


@pytest.mark.parametrize("start", ["scratch", "supernet"])
def test_it_goes_on_where_it_was_stopped(start: str, images: None, tmp_path: Path, call: Call) -> None:
    out = tmp_path / "out"
    settings = ("--start", start, "--out", str(out), "--json")
    code, whole, _ = call(*settings)
    assert code == 0
    record = json.loads(whole)
    assert len(record["subnets"]) == 3
    assert -1 <= record["tau"] <= 1
    states = sorted(out.iterdir())
    assert len(states) == 3
    kept = states[0].stat().st_mtime_ns
    for state in states[1:]:
        state.unlink()
    code, resumed, _ = call(*settings)
    assert (code, resumed) == (0, whole)
    assert states[0].stat().st_mtime_ns == kept

    code, _, error = call(*settings, "--seed", "1")
    assert code == 2
    assert "seed 0 -> 1" in error

    code, text, _ = call(*settings[:-1])
    assert code == 0
    assert f"Kendall's tau {record['tau']:.3f}" in text
