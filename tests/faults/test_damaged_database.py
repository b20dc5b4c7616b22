"""Damage to the file of a database: single bits and bytes at random places, and files cut short.

Reading gives either what was stored, or an error. It never gives another value without an error.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from search_space.errors import H4HError
from studies.storage.store import create_store, open_store
from studies.study.evaluation import Evaluation
from studies.study.prediction_quality import GenerationReport
from studies.study.study import Goal, Study

STUDY = Study(
    name="first",
    space="tiny",
    space_definition={"name": "tiny", "resolution": [24, 28, 32]},
    goals=(Goal("acc", "%", "max"), Goal("lat", "ms", "min")),
    constraints=("lat<=8ms",),
    settings={"population": 4, "checkpoint": None},
    fingerprint={"seed": "0", "space": "0" * 64},
    ideal=(100.0, 0.0),
    reference=(0.0, 10.0),
    created_at="2026-01-01T00:00:00+00:00",
)
Content = list[tuple[Study, list[Evaluation], list[GenerationReport], int]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database of two studies, 120 evaluations and 20 reports, on some ten pages."""
    path = tmp_path_factory.mktemp("whole") / "studies.db"
    with create_store(path) as store:
        for number, name in enumerate(("first", "second")):
            store.add(replace(STUDY, name=name))
            rows = [
                Evaluation(
                    index=index,
                    genotype=(index, number, *(index // 2**place % 2 for place in range(20))),
                    values=(50 + index / 7, index / 3),
                    limited=(index / 3,),
                    is_feasible=index <= 24,
                    macs=10_000_000 + index,
                    params=200_000 - index,
                    conv_blocks=index % 7,
                    vit_blocks=index % 3,
                    family=("cnn", "mixed")[index % 2],
                    stopped_after=256 if index % 9 == 8 else None,
                )
                for index in range(60)
            ]
            store.append(name, rows)
            for generation in range(1, 11):
                store.append_report(name, generation, GenerationReport("surrogate", generation / 11))
    return path.read_bytes()


def content(path: Path) -> Content:
    """Everything that a database holds."""
    with open_store(path) as store:
        return [
            (
                study,
                store.evaluations(study.name),
                store.reports(study.name),
                store.count(study.name),
            )
            for study in store.studies()
        ]


def bit(data: bytearray, rng: random.Random) -> None:
    """Flips one bit."""
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def byte(data: bytearray, rng: random.Random) -> None:
    """Replaces one byte by another."""
    data[rng.randrange(len(data))] ^= rng.randrange(1, 256)


def cut(data: bytearray, rng: random.Random) -> None:
    """Cuts the file short."""
    del data[rng.randrange(len(data)) :]


def silent(
    whole: bytes, path: Path, damage: Callable[[bytearray, random.Random], None], times: int
) -> list[int]:
    """Numbers of the trials in which reading gave other content without an error."""
    path.write_bytes(whole)
    expected = content(path)
    wrong = []
    noticed = 0
    for trial in range(times):
        data = bytearray(whole)
        damage(data, random.Random(trial))
        path.write_bytes(data)
        try:
            if content(path) != expected:
                wrong.append(trial)
        except H4HError:
            noticed += 1
    print(f"{damage.__name__}: {times} trials, {noticed} noticed, {len(wrong)} silent")
    assert noticed > times // 10  # The trials reach the rows.
    return wrong


@pytest.mark.parametrize(("damage", "times"), [(bit, 60), (byte, 40), (cut, 20)])
def test_damage_is_never_silent(
    whole: bytes, tmp_path: Path, damage: Callable[[bytearray, random.Random], None], times: int
) -> None:
    assert silent(whole, tmp_path / "studies.db", damage, times) == []


@pytest.mark.slow
@pytest.mark.parametrize(("damage", "times"), [(bit, 1500), (byte, 500), (cut, 200)])
def test_much_damage_is_never_silent(
    whole: bytes, tmp_path: Path, damage: Callable[[bytearray, random.Random], None], times: int
) -> None:
    assert silent(whole, tmp_path / "studies.db", damage, times) == []
