"""The command, as a user types it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from search_space.command.command_line import run_command
from studies import compare
from studies.storage.store import create_store
from studies.study.evaluation import Evaluation
from studies.study.study import Goal, Study

Make = Callable[..., Evaluation]


@pytest.fixture
def database(tmp_path: Path, study: Study, evaluation: Make) -> Path:
    """Two studies, an empty one, and one of another objective; in another file a third one."""
    path = tmp_path / "studies.db"
    rows = {"first": [(50.0, 1.0), (70.0, 3.0)], "b:second": [(40.0, 1.0), (80.0, 2.0), (80.0, 2.0)]}
    with create_store(path) as store:
        for name, values in rows.items():
            store.add(replace(study, name=name))
            store.append(name, [evaluation(index, *pair) for index, pair in enumerate(values)])
        store.add(replace(study, name="empty"))
        store.add(
            replace(
                study,
                name="other",
                goals=(Goal("macs", "MACs", "min"),),
                constraints=(),
                ideal=(0.0,),
                reference=(9.0,),
            )
        )
        store.append("other", [replace(evaluation(0, 1.0, 1.0), values=(5.0,), limited=())])
    with create_store(tmp_path / "more.db") as store:
        store.add(replace(study, name="b:second", fingerprint={"seed": "1"}))
        store.append("b:second", [evaluation(0, 60.0, 2.0)])
    return path


def compared(capsys: pytest.CaptureFixture[str], path: Path, *arguments: str) -> str:
    compare.main(["--db", str(path), *arguments])
    return capsys.readouterr().out


def test_json_has_the_promised_keys(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = f"{database.parent / 'more.db'}:b:second"
    found: dict[str, Any] = json.loads(compared(capsys, database, "first", "b:second", other, "--json"))
    assert list(found) == ["studies", "pairs"]
    assert list(found["studies"]) == ["first", "b:second", other]
    first = found["studies"]["first"]
    assert {"evaluations", "hypervolume", "front_size", "vit_per_10_conv", "families"} <= set(first)
    assert (first["evaluations"], first["front_size"]) == (2, 2)
    assert [member["id"] for member in first["members"]] == [1, 0]
    assert [(pair["a"], pair["b"]) for pair in found["pairs"]] == [
        ("first", "b:second"),
        ("first", other),
        ("b:second", other),
    ]
    pair = found["pairs"][0]
    assert {"evaluations", "hypervolume_a", "hypervolume_b", "coverage_ab", "coverage_ba"} <= set(pair)
    assert pair["acc_at_equal_lat"]["range"] == [1, 2]
    assert set(pair["lat_at_equal_acc"]) == {"mean", "max", "range", "mean_interval", "max_interval"}
    assert pair["lat_at_equal_acc"]["mean_interval"] is None, "the number of images is not known"
    assert pair["acc_at_equal_energy"] is None


def test_tables_say_the_same(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = compared(capsys, database, "first", "b:second")
    assert "b:second against first, by acc, lat" in out
    assert "hypervolume after 2 evaluations" in out
    (line,) = [line for line in out.splitlines() if "accuracy gained at equal latency, points" in line]
    assert line.split()[-6:] == ["+5.00", "-", "+20.00", "-", "1", "2"]
    assert "distance from the joint front (IGD+)" in out
    assert "note: acc against energy needs both objectives in both studies" in out


def test_csv_is_one_row_for_each_pair(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(compared(capsys, database, "first", "b:second", "--csv"))))
    assert len(rows) == 1
    assert float(rows[0]["acc_at_equal_lat.mean"]) == pytest.approx(5)
    assert rows[0]["acc_at_equal_energy.mean"] == ""
    assert rows[0]["objectives"] == "acc; lat"


def test_what_cannot_be_compared_is_said_and_the_rest_is_compared(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = json.loads(compared(capsys, database, "first", "other", "b:second", "--json"))
    assert [(pair["a"], pair["b"]) for pair in found["pairs"]] == [("first", "b:second")]
    assert [text[:36] for text in found["incomparable"]] == ["the studies have no objective in com"] * 2
    out = compared(capsys, database, "first", "other", "b:second")
    assert out.count("note: the studies have no objective in common") == 2


def test_groups(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    groups = ["--group", "one=first", "--group", f"two=b:second,{database.parent / 'more.db'}:b:second"]
    found = json.loads(compared(capsys, database, *groups, "--json"))
    assert found["studies"] == {}
    one, two = found["groups"]
    assert (one["name"], one["runs"], one["evaluations"]) == ("one", 1, 1)
    assert two["min"] == pytest.approx(0.4 * 0.9)
    assert two["max"] == pytest.approx(0.6 * 0.8)
    assert two["attained"]["lat"]["100"] == [[2, 60]]
    assert found["tests"][0]["test"] == "mann-whitney"
    out = compared(capsys, database, *groups)
    assert "hypervolume of the groups after 1 evaluations" in out
    assert "two against one: better in 50% of pairs" in out


def test_a_window_is_the_box_and_limits_the_gains(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["first", "b:second", "--json", "--scale", "linear", "--between", "acc=55%,75% lat=0ms,4ms"]
    (pair,) = json.loads(compared(capsys, database, *words))["pairs"]
    # (70, 3) fills 15 of 20 points and 1 of 4 ms; (80, 2) all points and 2 of 4 ms.
    assert pair["hypervolume_a"] == pytest.approx(0.75 * 0.25)
    assert pair["hypervolume_b"] == pytest.approx(0.5)
    # The joint front inside is (80, 2) alone; (70, 3) is 5 of 20 points and 1 of 4 ms worse.
    assert pair["igd_plus_b"] == 0
    assert pair["igd_plus_a"] == pytest.approx((0.25**2 + 0.25**2) ** 0.5)
    assert pair["lat_at_equal_acc"]["range"] == [55, 70]


def test_several_groups_are_corrected_and_say_how_many_seeds_they_need(
    database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = f"{database.parent / 'more.db'}:b:second"
    groups = ["--group", "one=first", "--group", "two=b:second", "--group", f"three={other}"]
    found = json.loads(compared(capsys, database, *groups, "--json"))
    assert [test["seeds_needed"] for test in found["tests"]] == [7, 5, 5]
    assert [gains["pairs"] for gains in found["gains"]] == ["by seed", "each with each", "each with each"]
    assert found["gains"][0]["gains"]["acc_at_equal_lat"]["mean"] == pytest.approx(5)
    out = compared(capsys, database, *groups)
    assert "after Holm (wilcoxon); too few seeds: p < 0.05 in 3 tests takes 7 in each group" in out
    assert "two against one, runs paired by seed" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to compare"),
        (["first", "b:second", "--between", "acc=90%,80%"], "must be less than the second"),
        (["first", "b:second", "--between", "params=1,2"], "objective with a window"),
        (["first"], "nothing to compare"),
        (["first", "first"], "named twice"),
        (["first", "empty"], "'empty' has no evaluations yet"),
        (["first", "nobody"], "nobody"),
        (["first", "missing.db:second"], "missing.db:second"),
        (["first", "other"], "no objective in common"),
        (["--group", "a"], "must be NAME=S1,S2"),
        (["--group", "a=first,first"], "must be NAME=S1,S2"),
        (["--group", "a=first", "--group", "a=b:second"], "same name"),
        (["--group", "a=first", "--csv"], "--csv prints pairs"),
    ],
)
def test_bad_input_is_one_line(
    database: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as exit_:
        run_command(lambda: compare.main(["--db", str(database), *arguments]))
    captured = capsys.readouterr()
    assert exit_.value.code == 2
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert captured.out == ""
