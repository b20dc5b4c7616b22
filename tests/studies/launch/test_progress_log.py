from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from search_space.errors import H4HError
from studies import run
from studies.launch.progress_log import LogError, ProgressLog, check_log, progress_record
from tests.studies.launch.test_live_display import PROGRESS

QUICK = ("--objectives", "macs,params", "--population", "6", "--log-json", "log.jsonl")


def test_every_progress_of_every_run_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run.main([*QUICK, "--generations", "2"])
    run.main([*QUICK, "--evaluations", "15"])
    run.main([*QUICK, "--evaluations", "15"])
    lines = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]
    assert [line["evaluations"] for line in lines] == [6, 12, 15, 15]
    assert [line["stopped_by"] for line in lines] == [None, "generations", "evaluations", "evaluations"]
    assert [line["measured"] for line in lines] == [6, 12, 3, 0]
    assert [line["cache_hits"] for line in lines] == [0, 0, 0, 0]  # None of these has to be measured.
    assert [line["generation_done"] for line in lines] == [True, True, False, False]
    assert {line["study"] for line in lines} == {"cifar32-macs-params-s0"}
    assert 0 < lines[0]["hypervolume"] <= lines[-1]["hypervolume"] <= 1
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)


def test_log_that_cannot_be_written_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none" / "log.jsonl"):
        with pytest.raises(H4HError, match="--log-json"):
            check_log(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")
def test_a_full_disk_names_the_log() -> None:
    full = Path("/dev/full")
    check_log(full)
    failed = pytest.raises(LogError, match=r"^--log-json /dev/full: cannot be written")
    with failed, ProgressLog(full, "s") as log:
        log.show(replace(PROGRESS, measured=4))


def test_line_counts_cache_hits() -> None:
    assert progress_record("s", replace(PROGRESS, cache_hits=5))["cache_hits"] == 5


def test_line_of_a_generation_that_was_predicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run.main([*QUICK, "--generations", "1", "--sampler", "random"])
    run.main([*QUICK, "--generations", "1", "--sampler", "surrogate", "--study", "predicted"])
    plain, predicted = (json.loads(line) for line in Path("log.jsonl").read_text().splitlines())
    assert "source" not in plain
    assert (predicted["source"], predicted["rank_correlation"]) == ("random", None)
