"""Kill -9 of a command at a random moment, then the same command: the same table.

`tests/faults/test_many_kills.py` kills studies of all samplers, more often, in forks of one process.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import pytest

from studies.storage.store import open_store
from tests.studies.killed_run import count, killed, rows, run, run_anew

KILLS = 1
KINDS = ("nsga2", "surrogate", "optuna-tpe", "local")
"""A sampler of each kind."""
REAL = "nsga2"
"""The sampler that is killed in the space of real studies. The others search a small one, whose networks are
mapped in milliseconds."""

Earlier = Callable[[Sequence[str]], tuple[Path, Path]]


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Earlier:
    """A study of a space to start from, and the same study when it has gone on."""

    @cache
    def made(*space: str) -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp("earlier")
        arguments = (*space, "--study", "first", "--seed", "1", "--sampler", "random")
        run(folder, *arguments, "--db", "short.db", "--generations", "1")
        shutil.copy(folder / "short.db", folder / "long.db")
        run(folder, *arguments, "--db", "long.db", "--generations", "9")
        return folder / "short.db", folder / "long.db"

    return lambda space: made(*space)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", KINDS)
def test_killed_at_random_moments_gives_the_same_table(
    tmp_path: Path, tiny_path: Path, earlier: Earlier, name: str
) -> None:
    space = () if name == REAL else ("--space", str(tiny_path), "--constraint", "params<=5k")
    short, long = earlier(space)
    arguments = ["--sampler", name, "--study", "mine", *space]
    arguments += ["--generations", "6", "--warm-start", "first.db:first"]
    shutil.copy(short, tmp_path / "first.db")
    whole, broken = tmp_path / "whole.db", tmp_path / "broken.db"
    run_anew(tmp_path, *arguments, "--db", "whole.db")
    assert len(rows(whole)) == 36

    rng = random.Random(name)
    for _ in range(KILLS):
        assert killed(broken, rng, *arguments, most=len(rows(whole)) // KILLS - 1)
        # The other study goes on, but what was taken from it is kept with this one.
        if broken.exists() and count(broken):
            shutil.copy(long, tmp_path / "first.db")
    run(tmp_path, *arguments, "--db", "broken.db")
    assert rows(broken) == rows(whole)
    assert rows(broken, "generation") == rows(whole, "generation")
    assert len(rows(whole, "generation")) == (6 if name == "surrogate" else 0)


@pytest.mark.slow
def test_killed_while_subnets_race_gives_the_same_table(tmp_path: Path) -> None:
    arguments = ("--objectives", "acc,params", "--population", "12", "--generations", "4", "--racing")
    run_anew(tmp_path, *arguments, "--db", "whole.db")
    broken = tmp_path / "broken.db"
    rng = random.Random(0)
    for _ in range(4):
        assert killed(broken, rng, *arguments, most=10)
    run(tmp_path, *arguments, "--db", "broken.db")
    assert rows(broken) == rows(tmp_path / "whole.db")
    with open_store(broken) as store:
        (study,) = store.studies()
        assert sum(one.is_bound for one in store.evaluations(study.name)) >= 8
