from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from search_space.errors import H4HError
from studies import Progress, StudySettings, load_study, run, run_study
from studies.study.fingerprint import FingerprintError
from tests.studies.quality import Quality

ROOT = Path(__file__).parents[3]
SETTINGS = StudySettings(
    objectives=("macs", "lat"), constraints=("vit_blocks>=2",), population=6, generations=3, study="mine"
)
WORDS = ["--objectives", "macs,lat", "--constraint", "vit_blocks>=2", "--population", "6", "--study", "mine"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(path: str, name: str = "evaluation") -> list[tuple[object, ...]]:
    """A table of a database as it is."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT * FROM {name}").fetchall()


def test_python_in_a_process_of_its_own_gives_what_the_command_gives() -> None:
    code = (
        "import h4h; h4h.run_study(h4h.StudySettings(objectives=('macs', 'lat'), "
        "constraints=('vit_blocks>=2',), population=6, generations=3, study='mine'), database='api.db')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    run.main([*WORDS, "--generations", "3", "--db", "command.db"])
    assert table("api.db") == table("command.db")
    assert len(table("api.db")) == 18
    # All but the time at which the study was made, and the digest of the row that holds it.
    assert table("api.db", "study")[0][:-2] == table("command.db", "study")[0][:-2]


def test_a_run_prints_nothing_and_tells_what_a_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    notices: list[str] = []
    study = run_study(SETTINGS, database="studies.db", on_notice=notices.append)
    run_study(SETTINGS, database="studies.db", on_notice=notices.append)
    assert capsys.readouterr() == ("", "")
    assert notices[1] == "networks of cifar32 on u55-256-cim8:"
    assert notices[5].split()[:2] == ["vit_blocks", "0"]
    assert [notices[0], *notices[6:]] == [
        "study 'mine' in studies.db: macs, lat over space cifar32, nsga2, 6 subnets per generation, until 3 "
        "generations",
        "limit vit_blocks>=2: the middle and largest networks hold it",
        "study 'mine' in studies.db: macs, lat over space cifar32, nsga2, 6 subnets per generation, until 3 "
        "generations",
        "resuming after 18 evaluations",
    ]
    # The study keeps the sampler that was chosen.
    assert study.settings == replace(SETTINGS, sampler="nsga2")
    assert study.study == load_study("studies.db", "mine").study
    assert len(study.measured) == 18


def test_progress_begins_before_the_first_subnet_and_ends_with_the_rule() -> None:
    records: list[Progress] = []
    run_study(SETTINGS, database="studies.db", on_progress=records.append)
    assert [record.evaluations for record in records] == [0, 6, 12, 18]
    assert [record.stopped_by for record in records] == [None, None, None, "generations"]
    assert str(records[-1]).startswith("generation 3: 18 evaluations, front ")
    assert str(records[-1]).endswith(", stopped by generations")


@pytest.mark.parametrize("after", [0, 6, 12])
def test_an_interrupted_run_resumes_to_the_same_table(after: int) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.evaluations >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(SETTINGS, database="parts.db", on_progress=interrupt)
    assert len(load_study("parts.db", "mine").measured) == after
    parts = run_study(SETTINGS, database="parts.db")
    whole = run_study(SETTINGS, database="whole.db")
    assert table("parts.db") == table("whole.db")
    assert parts.measured == whole.measured


def test_resume_goes_on_to_other_rules_or_to_those_of_the_study() -> None:
    def interrupt(progress: Progress) -> None:
        if progress.evaluations:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(SETTINGS, database="parts.db", on_progress=interrupt)
    study = load_study("parts.db", "mine").resume()
    assert len(study.measured) == 18
    assert len(study.resume(evaluations=20).measured) == 20
    assert len(study.resume(generations=4, evaluations=22).measured) == 22
    assert len(study.measured) == 18
    run_study(StudySettings(**{**vars(SETTINGS), "generations": 4}), database="whole.db")
    study.resume(generations=4)
    assert table("parts.db") == table("whole.db")
    with pytest.raises(H4HError, match="--generations must be at least 1"):
        study.resume(generations=0)


def test_a_command_resumes_what_python_began_and_the_reverse() -> None:
    run_study(SETTINGS, database="studies.db")
    run.main([*WORDS, "--generations", "4", "--db", "studies.db"])
    assert len(load_study("studies.db", "mine").resume(generations=5).measured) == 30


def test_other_settings_are_refused(folder: Path) -> None:
    run_study(SETTINGS, database="studies.db")
    before = Path("studies.db").read_bytes()
    with pytest.raises(FingerprintError, match="seed 0 -> 1"):
        run_study(StudySettings(**{**vars(SETTINGS), "seed": 1}), database="studies.db")
    assert Path("studies.db").read_bytes() == before
    with pytest.raises(H4HError, match="folder none does not exist"):
        run_study(SETTINGS, database="none/studies.db")
    assert [path.name for path in folder.iterdir()] == ["studies.db"]


def test_all_networks_of_a_study_are_costed_on_another_chip_without_a_measurement() -> None:
    settings = StudySettings(
        objectives=("quality", "lat"), population=8, generations=3, study="first", sampler="random"
    )
    first = run_study(settings, database="studies.db", objectives=[Quality()])
    quality = Quality()
    other = replace(
        settings,
        hardware="u55-128",
        study="other",
        generations=1,
        warm_start=("first",),
        warm_start_all=True,
    )
    study = run_study(other, database="studies.db", objectives=[quality])
    assert quality.measured == []
    before = {row.genotype: row.values for row in first.measured}
    after = {row.genotype: row.values for row in study.measured}
    assert after.keys() == before.keys()
    assert all(after[genotype][0] == before[genotype][0] for genotype in before)
    latencies = [(before[genotype][1], after[genotype][1]) for genotype in before]
    assert all(now is not None and was is not None and now > was for was, now in latencies), "half the NPU"


def test_a_study_on_another_chip_begins_with_values_that_another_file_holds() -> None:
    settings = StudySettings(
        objectives=("quality", "lat"), population=8, generations=2, study="first", sampler="random"
    )
    run_study(settings, database="first.db", objectives=[Quality()])
    quality = Quality()
    notices: list[str] = []
    source = ("first.db:first",)
    other = replace(settings, hardware="u55-128", study="second", generations=1, warm_start=source)
    study = run_study(other, database="second.db", objectives=[quality], on_notice=notices.append)
    first = load_study("first.db", "first")
    known = {row.genotype: row.values[0] for row in first.measured}
    taken = [row for row in study.measured if row.genotype in known]
    front = {member.genotype for member in first.study.front(first.measured)}
    assert len(front) > 8, "more than the first generation holds"
    assert len(taken) == 8
    assert {row.genotype for row in taken} <= front | {row.genotype for row in first.measured[:2]}
    assert all(row.values[0] == known[row.genotype] for row in taken)
    assert quality.measured == [], "a first front without a measurement"
    assert f"quality of {len(known)} networks is known from other studies and reused" in notices
    # Without the file, a resumed study measures what it needs.
    Path("first.db").unlink()
    resumed = run_study(replace(other, generations=2), database="second.db", objectives=[quality])
    assert len(resumed.measured) == 16


def test_a_study_of_other_objectives_begins_with_every_network_that_another_one_measured() -> None:
    settings = StudySettings(
        objectives=("quality", "lat"), population=8, generations=2, study="first", sampler="random"
    )
    first = run_study(settings, database="first.db", objectives=[Quality()])
    quality = Quality()
    other = replace(
        settings, objectives=("quality", "params"), study="second", warm_start=("first.db:first",)
    )
    every = replace(other, warm_start_all=True, generations=1, sampler="nsga2")
    study = run_study(every, database="second.db", objectives=[quality])
    assert {row.genotype for row in study.measured} == {row.genotype for row in first.measured}
    assert quality.measured == []
    assert study.study.fingerprint["warm start"] == "first (all)"
    assert study.study.settings["warm_start_all"]
    assert study.settings == replace(every, study="second")
    # The other generations are as large as before, and an interruption changes nothing.
    resumed = study.resume(generations=3)
    whole = run_study(replace(every, generations=3), database="whole.db", objectives=[Quality()])
    assert len(resumed.measured) == 16 + 2 * 8
    assert resumed.measured == whole.measured
    with pytest.raises(FingerprintError, match=r"warm start first \(all\) -> first[;.]"):
        run_study(replace(every, warm_start_all=False), database="second.db", objectives=[quality])
