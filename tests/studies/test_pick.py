from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from search_space.command.command_line import run_command
from search_space.errors import UnknownNameError
from search_space.space import Space
from studies import pick as command
from studies.analysis.pick_rules import PickError, average_ranks, knee, knee_sums, pick, shared_weights
from studies.presentation.next_commands import next_commands
from studies.storage.store import create_store, open_store
from studies.study.constraint import parse_constraint
from studies.study.evaluation import Evaluation
from studies.study.study import Study

Make = Callable[..., Evaluation]


@pytest.fixture
def rows(evaluation: Make) -> list[Evaluation]:
    """A front of four with a bend, one dominated and one infeasible subnet."""
    values = [(50.0, 1.0), (80.0, 2.0), (85.0, 5.0), (90.0, 8.0), (40.0, 3.0), (99.0, 9.0)]
    return [evaluation(index, *pair) for index, pair in enumerate(values)]


def test_knee_in_closed_form() -> None:
    # Losses scaled to 0..1: sums 1, 0.45, 0.7, 1.
    points = np.array([[0.0, 10.0], [2.5, 2.0], [5.0, 2.0], [10.0, 0.0]])
    assert knee(points) == 1
    assert knee(points * [100, 0.01] + [7, -3]) == 1  # whatever the scale and the origin
    assert knee(np.array([[3.0, 4.0]])) == 0
    assert knee(np.array([[3.0, 4.0], [3.0, 1.0]])) == 1  # an objective that is the same everywhere


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=20))
def test_equal_values_share_the_mean_of_their_ranks(values: list[int]) -> None:
    assert average_ranks(np.array(values, dtype=np.float64)).tolist() == rankdata(values).tolist()


def test_correlated_objectives_share_one_weight() -> None:
    error, latency = np.array([0.0, 1.0, 2.0, 3.0]), np.array([9.0, 4.0, 1.0, 0.0])
    assert shared_weights(np.stack([error, latency], axis=1)).tolist() == [1, 1]
    twice = np.stack([error, latency, 2 * latency**2 + 1], axis=1)
    assert shared_weights(twice) == pytest.approx([1, 1 / 2, 1 / 2])
    # Ranks 1, 2, 3, 4 and 1, 2, 4, 3 correlate by 4/5.
    nearly = np.stack([error, error[[0, 1, 3, 2]]], axis=1)
    assert shared_weights(nearly) == pytest.approx([1 / 1.8, 1 / 1.8])
    constant = np.stack([error, np.ones(4)], axis=1)
    assert shared_weights(constant).tolist() == [1, 1]


def test_knee_is_the_same_however_often_a_cost_is_named() -> None:
    # Sums 1, 0.62, 0.65, 1 with one cost. Each further one would add 1, 0.40, 0.10, 0 without weights.
    error, cost = np.array([0.0, 0.22, 0.55, 1.0]), np.array([1.0, 0.40, 0.10, 0.0])
    for copies in (1, 2, 5):
        points = np.stack([error, *[cost] * copies], axis=1)
        assert knee_sums(points) == pytest.approx([1, 0.62, 0.65, 1])
        assert knee(points) == 1


def test_rules(study: Study, rows: list[Evaluation]) -> None:
    assert pick(study, rows, [], "knee").chosen.index == 1
    assert pick(study, rows, [], "acc").chosen.index == 3
    assert pick(study, rows, [], "lat").chosen.index == 0
    within = pick(study, rows, [parse_constraint("lat<=6ms"), parse_constraint("acc>=82%")], "lat")
    assert within.chosen.index == 2
    assert (len(within.candidates), within.front) == (1, 4)
    assert within.reason == "best lat among them"
    assert within.near == ()


def test_those_near_the_knee_are_named(study: Study, rows: list[Evaluation]) -> None:
    choice = pick(study, rows, [], "knee")
    # Scaled losses: (1, 0), (1/4, 1/7), (1/8, 4/7), (0, 1). Of equal sums, the more accurate one comes first.
    expected = [(2, 1 / 8 + 4 / 7), (3, 1.0), (0, 1.0)]
    assert [row.index for row, _ in choice.near] == [index for index, _ in expected]
    excess = [total - (1 / 4 + 1 / 7) for _, total in expected]
    assert [amount for _, amount in choice.near] == pytest.approx(excess)
    assert choice.reason == "least sum of acc, lat, each scaled to its range"
    # Limits leave one candidate, which is near nothing.
    assert pick(study, rows, [parse_constraint("lat<=1ms")], "knee").near == ()


def test_a_cheaper_network_that_is_as_accurate_takes_the_place_of_the_best(
    study: Study, evaluation: Make
) -> None:
    # With 400 images two accuracies near 80 % tie within 3.9 points.
    values = [(82.0, 7.0), (80.0, 5.0), (79.0, 3.0), (70.0, 1.0)]
    rows = [evaluation(index, *pair) for index, pair in enumerate(values)]
    noisy = replace(study, fingerprint={"val_images": "400"})
    choice = pick(noisy, rows, [], "acc")
    assert choice.chosen.index == 2
    assert choice.instead is rows[0]
    assert choice.equal == (rows[1],)
    assert choice.reason == (
        "best acc among them is id 0, but its accuracy ties: it has 2.3 x the lat for +3.00 ± 1.98 points"
    )
    assert pick(noisy, rows, [], "lat").chosen.index == 3
    exact = pick(replace(study, fingerprint={"val_images": "100000"}), rows, [], "acc")
    assert (exact.chosen.index, exact.instead, exact.equal) == (0, None, ())


def test_limits_on_what_is_counted_or_constrained(study: Study, rows: list[Evaluation]) -> None:
    assert pick(study, rows, [parse_constraint("macs<=102")], "acc").chosen.index == 2  # 100 + index
    only_acc = replace(study, goals=study.goals[:1], ideal=(100.0,), reference=(0.0,))
    short = [replace(one, values=one.values[:1]) for one in rows]
    # lat is a constraint of the study, so its values are there.
    with pytest.raises(PickError, match=r"lat<=2ms: the least lat is 8ms"):
        pick(only_acc, short, [parse_constraint("lat<=2ms")], "acc")


def test_what_cannot_be_picked(study: Study, rows: list[Evaluation]) -> None:
    with pytest.raises(PickError, match=r"acc>=95% together with lat<=3ms: the most acc is 80%"):
        pick(study, rows, [parse_constraint("lat<=3ms"), parse_constraint("acc>=95%")], "acc")
    with pytest.raises(PickError, match="does not store sram: limit one of lat, acc, macs, params"):
        pick(study, rows, [parse_constraint("sram<=3kB")], "acc")
    with pytest.raises(UnknownNameError, match="one of knee, acc, lat"):
        pick(study, rows, [], "energy")
    for nothing in ([], rows[-1:]):
        with pytest.raises(PickError, match="no feasible subnet"):
            pick(study, nothing, [], "knee")


@pytest.fixture
def database(tmp_path: Path, tiny: Space, study: Study, rows: list[Evaluation]) -> Path:
    path = tmp_path / "studies.db"
    rng = np.random.default_rng(0)
    genotypes = {tiny.sample(rng): None for _ in range(40)}
    settings = {"space": "tiny.yaml", "hardware": "u55-128", "macros": None}
    named = replace(study, space_definition=tiny.to_dict(), settings=settings)
    with create_store(path) as store:
        store.add(named)
        store.append(
            "first", [replace(one, genotype=genes) for one, genes in zip(rows, genotypes, strict=False)]
        )
    return path


def test_the_command_says_why_and_what_is_next(
    database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV", raising=False)
    command.main(["first", "--db", str(database), "--max-lat", "6ms"])
    out = capsys.readouterr().out
    assert "3 of the 4 subnets of the front satisfy lat<=6ms" in out
    assert "picked id 1: least sum of acc, lat" in out
    assert "best acc would be id 2: 85.00 % (lat 5.000 ms)" in out
    assert "best lat would be id 0: 1.000 ms (acc 50.00 %)" in out
    assert "px stem" in out
    profile = next(line for line in out.splitlines() if line.strip().startswith("profile"))
    words = shlex.split(profile)[1:]
    assert words[1:3] == ["-m", "objectives.profile"]
    assert words[-2:] == ["--hardware", "u55-128"]


def test_json(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command.main([f"{database}:first", "--db", str(database), "--prefer", "acc", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["picked"]["id"], found["picked"]["acc"]) == (3, 90.0)
    assert set(found["next"]) == {"profile"}  # No supernet of this space.
    assert found["candidates"] == found["front_size"] == 4


def test_a_space_that_came_with_a_checkpoint_has_no_profile(
    study: Study, tiny: Space, cifar32: Space, evaluation: Make
) -> None:
    """`--space tiny` would name nothing; what is built in has a name. Weights are of the same space."""
    row = evaluation(0, 50.0, 1.0)
    for space, settings, names in (
        (tiny, {"space": None}, []),
        (tiny, {"space": "tiny.yaml"}, ["profile"]),
        (tiny, {"checkpoint": "elsewhere.safetensors"}, ["fine-tune", "export"]),
        (cifar32, {"checkpoint": "elsewhere.safetensors"}, ["profile", "fine-tune", "export"]),
        (cifar32, {"space": None}, ["profile", "fine-tune", "export"]),
    ):
        own = replace(study, space=space.name, space_definition=space.to_dict(), settings=settings)
        assert list(next_commands(own, row)) == names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody"], "unknown study"),
        (["first", "--max-lat", "3"], "unit of lat must be"),
        (["first", "--max-lat", "fast"], "must be a quantity"),
        (["first", "--prefer", "speed"], "must be one of knee, acc, lat"),
    ],
)
def test_bad_input_is_one_line(
    database: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as exit_:
        run_command(lambda: command.main([*arguments, "--db", str(database)]))
    captured = capsys.readouterr()
    assert (exit_.value.code, captured.out) == (2, "")
    assert captured.err.count("\n") == 1
    assert message in captured.err


@pytest.mark.parametrize(
    ("option", "name", "unit"),
    [
        ("--min-acc", "acc", "%"),
        ("--max-lat", "lat", "ms"),
        ("--max-energy", "energy", "mJ"),
        ("--max-macs", "macs", ""),
        ("--max-params", "params", ""),
        ("--max-sram", "sram", "B"),
    ],
)
def test_each_limit_leaves_out_what_exceeds_it(
    option: str, name: str, unit: str, report_database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_store(report_database) as store:
        study, rows = store.study("objectives6"), store.evaluations("objectives6")
    column = study.objectives.index(name)
    values = sorted(row.values[column] or 0.0 for row in study.front(rows))
    limit = values[len(values) // 2]
    within = sum(value >= limit if name == "acc" else value <= limit for value in values)
    assert 0 < within < len(values)
    command.main(["objectives6", "--db", str(report_database), option, f"{limit!r}{unit}"])
    assert f"{within} of the {len(values)} subnets of the front" in capsys.readouterr().out
