"""What samplers decide is the same with and without AVX-512, since a study goes on by asking again."""

from __future__ import annotations

import json

import pytest

from studies.samplers.registry import known_samplers
from tests.cpu_path import AVX2, needs_two_paths, output_of

SAMPLERS = [name for name in known_samplers() if name != "optuna-gp"]
"""`optuna-gp` is not compared: it takes minutes, and rests on LAPACK and optimisers, see `docs/reference/samplers.md`."""
Decisions = dict[str, list[list[str]]]


@pytest.fixture(scope="module")
def decisions() -> tuple[Decisions, Decisions]:
    native, limited = (
        json.loads(output_of("tests.studies.samplers.proposals", *SAMPLERS, limits=limits))
        for limits in ({}, AVX2)
    )
    return native, limited


@pytest.mark.slow
@needs_two_paths
@pytest.mark.parametrize("name", ["process", "race", *SAMPLERS])
def test_decisions_are_equal(decisions: tuple[Decisions, Decisions], name: str) -> None:
    native, limited = decisions
    assert native[name] == limited[name]
    assert len({tuple(row) for row in native[name]}) == len(native[name]) > 3
