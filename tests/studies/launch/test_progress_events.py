"""Progress of a search in TensorBoard."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studies import run
from tests.search_space.files.test_event_file import curves

QUICK = ("--objectives", "macs,params", "--population", "6", "--log-json", "log.jsonl", "--tensorboard", "tb")


def test_curves_are_those_of_the_log_also_after_a_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for generations in ("2", "2", "3"):
        run.main([*QUICK, "--generations", generations, "--study", "a/b"])
    lines = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]
    by_step = {line["evaluations"]: line for line in lines if line["measured"]}
    found = curves(Path("tb") / "a%2Fb")
    assert [step for step, _ in found["hypervolume"]] == [6, 12, 18] == [*by_step]
    for name in ("hypervolume", "front_size", "generation"):
        assert [value for _, value in found[name]] == pytest.approx([by_step[x][name] for x in by_step])
    assert {"evaluations", "study", "generation_done"}.isdisjoint(found)


def test_a_study_without_news_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run.main([*QUICK[:6], "--generations", "1"])
    run.main([*QUICK, "--generations", "1"])
    assert not Path("tb").exists()
