from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from studies.launch.plan import planned
from studies.launch.run_text import predicting, run_command_line


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_commands_are_printed_as_uv_runs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["--objectives", "lat,macs", "--constraint", "lat<=2ms", "--db", "a b.db", "--seed", "3"]
    plan = planned([*words, "--study", "mine"])
    monkeypatch.delenv("UV", raising=False)
    start = "python -m studies.run --objectives lat,macs --study mine --db 'a b.db' --seed 3"
    assert run_command_line(plan) == f"{start} --generations 12 --constraint 'lat<=2ms'"
    more = run_command_line(plan, raised="generations")
    assert more == f"{start} --generations 24 --constraint 'lat<=2ms'"
    monkeypatch.setenv("UV", "/usr/bin/uv")
    assert run_command_line(plan, raised="generations") == f"uv run {more}"


def test_a_search_for_accuracy_by_nsga2_points_to_the_surrogate() -> None:
    plan = planned(["--study", "mine", "--seed", "3", "--generations", "5"])
    line = run_command_line(predicting(plan))
    again = planned(shlex.split(line[line.index("--objectives") :]))
    assert (again.search.sampler, again.study) == ("surrogate", "mine-surrogate")
    assert (again.search.seed, again.search.rules) == (3, plan.search.rules)
    assert plan.options.sampler == "nsga2"


def test_printed_command_holds_every_option_of_the_search() -> None:
    words = ["--objectives", "lat,macs", "--sampler", "rnsga2", "--prefer", "lat=1ms", "--prefer", "macs=3M"]
    words += ["--seed-subnets", "max,min", "--evaluations", "90", "--minutes", "2.5", "--patience", "4"]
    plan = planned(words)
    line = run_command_line(plan, raised="patience")
    line = line[line.index("--objectives") :]
    again = planned(shlex.split(line))
    assert again.search == replace(plan.search, rules=replace(plan.search.rules, patience=8))
    # Minutes are those of one run, so the same number goes on.
    assert "--minutes 2.5" in run_command_line(plan, raised="minutes")
