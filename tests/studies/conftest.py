"""What the tests of studies share: a space small enough to enumerate, and studies over it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from search_space.space import Space, load_space
from studies.study.evaluation import Evaluation
from studies.study.study import Goal, Study
from tests.studies.reports import make_database, try_few_ends

TINY = """
name: tiny
resolution: [24, 28, 32]
stem: {stride: 2, width: [8, 16]}
stages:
  - stride: 2
    width: [16, 24]
    downsampling: {kind: [mbconv, patch_merging], kernel: [3], expansion: [1, 2]}
    conv_depth: [0, 1]
    conv: {kernel: [3, 5], expansion: [2]}
    vit_depth: [0]
head: {width: 16, classes: 10}
"""
"""3 resolutions x 2 stems x 2 widths x (2 + 1) down-samplings x (1 + 2) convolutions = 108 networks."""


@pytest.fixture(scope="session")
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a space of 108 networks."""
    path = tmp_path_factory.mktemp("space") / "tiny.yaml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def tiny(tiny_path: Path) -> Space:
    """A space of 108 networks."""
    return load_space(str(tiny_path))


@pytest.fixture(scope="session")
def cifar32() -> Space:
    """The space of real studies."""
    return load_space("cifar32")


@pytest.fixture
def study() -> Study:
    """A study of accuracy and latency without evaluations."""
    return Study(
        name="first",
        space="tiny",
        space_definition={"name": "tiny"},
        goals=(Goal("acc", "%", "max"), Goal("lat", "ms", "min")),
        constraints=("lat<=8ms",),
        settings={"population": 4, "checkpoint": None},
        fingerprint={"seed": "0"},
        ideal=(100.0, 0.0),
        reference=(0.0, 10.0),
        created_at="2026-01-01T00:00:00+00:00",
    )


@pytest.fixture
def evaluation() -> Callable[..., Evaluation]:
    """Makes an evaluation of `study` from its index and values."""

    def make(index: int, acc: float | None, lat: float) -> Evaluation:
        return Evaluation(
            index=index,
            genotype=(index, 0),
            values=(acc, lat),
            limited=(lat,),
            is_feasible=lat <= 8,
            macs=100 + index,
            params=10,
            conv_blocks=3,
            vit_blocks=1,
            family="cnn-then-vit",
        )

    return make


@pytest.fixture(scope="session")
def report_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Studies of every kind that a report may be asked for."""
    return make_database(tmp_path_factory.mktemp("reports") / "studies.db")


@pytest.fixture(scope="module")
def few_ends() -> Iterator[None]:
    """Reports of this module try only some assumed numbers of a chip."""
    with pytest.MonkeyPatch.context() as patch:
        try_few_ends(patch)
        yield
