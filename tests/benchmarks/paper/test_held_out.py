"""Answers on the test images: packed and unpacked, each network scored once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.paper.held_out import HeldOut, packed, unpacked
from search_space.space import load_space
from tests.benchmarks.conftest import TEST_IMAGES


@given(st.lists(st.booleans(), max_size=70))
def test_packed_answers_are_unpacked(answers: Sequence[bool]) -> None:
    assert unpacked(packed(np.array(answers, dtype=np.bool_))).tolist() == answers


def test_ten_thousand_answers_take_little_room() -> None:
    answers = np.random.default_rng(0).random(10_000) < 0.85
    assert len(packed(answers)) < 1700


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_each_network_is_scored_once(small_inputs: Path, tmp_path: Path, workers: int) -> None:
    space = load_space(str(small_inputs / "small.yaml"))
    rng = np.random.default_rng(0)
    networks = [space.canonical(space.sample(rng)) for _ in range(4)]
    lines: list[str] = []

    def held_out() -> HeldOut:
        return HeldOut(
            space=space,
            checkpoint=small_inputs / "net.safetensors",
            data=small_inputs / "images",
            database=tmp_path / "results.db",
            workers=workers,
            device="cpu",
            notify=lines.append,
        )

    with held_out() as scores:
        scores.score(networks[:2])
        scores.score(networks)
        found = scores.answers(networks)
        assert found.shape == (4, scores.images) == (4, TEST_IMAGES)
        # Each network alone has the same answers.
        alone = scores._objective(list(map(space.decode, networks[3:])))
        assert (alone > 0).tolist() == found[3:].tolist()
    assert lines[0] == f"test images: 0 of {len(set(networks[:2]))} new networks scored"
    assert len(lines) == 2
    with held_out() as scores:
        scores.score(networks)
        assert len(lines) == 2
        assert (scores.answers(networks) == found).all()
