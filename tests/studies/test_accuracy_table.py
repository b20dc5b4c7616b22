"""Studies over accuracy tables, as a user runs and reads them."""

from __future__ import annotations

import csv
import itertools
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from studies import StudySettings, run_study
from studies.export import main as export
from studies.pick import main as pick
from studies.report import main as report
from studies.run import main as run
from studies.show import main as show
from studies.storage.store import open_store
from studies.validate import main as validate
from tests.command import Command
from tests.studies.killed_run import rows
from tests.warm_process import ROOT

DATA = os.environ.get("H4H_TEST_DATA")
OBJECTIVES = ("--objectives", "acc,macs,params", "--population", "8", "--generations", "5")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of 100 of the 243 combinations of five genes."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "own.csv"
    codes = [genes for genes in itertools.product((0, 1, 2), repeat=5) if sum(genes) % 5 > 2]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"layer{place}[gene]" for place in range(5)), "acc", "macs", "params"])
        for genes in codes:
            cost = sum((place + 1) * gene for place, gene in enumerate(genes))
            writer.writerow(
                [*genes, 50 + 2 * sum(genes) - genes[0] * genes[4], 1000 + 100 * cost, 500 + sum(genes)]
            )
    return path


def table(path: Path, *more: str) -> list[str]:
    return ["--accuracy-table", str(path), "--space-from-table", *OBJECTIVES, *more]


@pytest.mark.parametrize("sampler", ["nsga2", "surrogate", "local"])
def test_a_study_over_its_own_space(own: Path, command: Command, sampler: str) -> None:
    ended = command(run, *table(own, "--sampler", sampler))
    assert ended.err == ""
    assert "accuracy table own.csv: 95 networks" in ended.out
    with open_store(Path("studies.db")) as store:
        (study,) = store.studies()
        evaluations = store.evaluations(study.name)
    assert study.name == "own-acc-macs-params-s0"
    assert len({evaluation.genotype for evaluation in evaluations}) == 40
    for evaluation in evaluations:
        genes = evaluation.genotype
        assert sum(genes) % 5 > 2, "only listed networks are proposed"
        assert evaluation.values[0] == 50 + 2 * sum(genes) - genes[0] * genes[4]
    assert study.fingerprint["accuracy table"]


def test_torch_is_not_loaded(own: Path) -> None:
    code = "import sys; from studies.run import main; main(sys.argv[1:]); assert 'torch' not in sys.modules"
    given = [sys.executable, "-c", code, *table(own, "--sampler", "surrogate")]
    subprocess.run(
        given, check=True, cwd=own.parent, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True
    )


@pytest.mark.parametrize("sampler", ["nsga2", "surrogate", "sms", "optuna-tpe"])
def test_resume_is_exact(own: Path, command: Command, sampler: str) -> None:
    whole = table(own, "--sampler", sampler, "--db", "whole.db")
    assert command(run, *whole).code == 0
    for count in ("3", "11", "24", "40"):
        part = [*table(own, "--sampler", sampler, "--db", "part.db"), "--evaluations", count]
        assert command(run, *part).code == 0
    assert rows(Path("part.db")) == rows(Path("whole.db"))
    assert rows(Path("part.db"), "generation") == rows(Path("whole.db"), "generation")


def test_auto_predicts_and_stays_with_it_beyond_its_limit(own: Path, command: Command) -> None:
    given = [*table(own, "--sampler", "auto", "--study", "mine")]
    assert ", surrogate, 8 subnets per generation" in command(run, *given).out
    more = command(run, *given, "--evaluations", "501")
    assert (more.code, more.err) == (0, "")
    with open_store(Path("studies.db")) as store:
        assert store.study("mine").fingerprint["sampler"] == "surrogate"
        assert store.count("mine") == 40


def test_another_table_is_another_study(own: Path, command: Command) -> None:
    assert command(run, *table(own)).code == 0
    own.write_text(own.read_text().replace("layer0", "first"))
    ended = command(run, *table(own, "--study", "own-acc-macs-params-s0"))
    assert ended.code == 2
    assert "accuracy table" in ended.err


def test_the_other_commands_read_it(own: Path, command: Command) -> None:
    assert command(run, *table(own, "--study", "mine")).code == 0
    shown = command(show, "--study", "mine")
    assert (shown.code, shown.err) == (0, "")
    assert "genotype" in shown.out
    assert "family" not in shown.out
    records = json.loads(command(show, "--study", "mine", "--json").out)
    assert records["front"][0]["family"] is None
    assert records["front"][0]["macs"] > 0
    picked = command(pick, "mine")
    assert "layer0=" in picked.out
    assert "finetune" not in picked.out
    refused = command(validate, "--study", "mine")
    assert refused.code == 2
    assert "come from the table" in refused.err
    assert command(export, "mine", "--format", "csv", "--out", "mine.csv").code == 0
    made = command(report, "mine", "--out", "mine.html")
    assert (made.code, made.err) == (0, "")


def test_constraints_and_measured_columns(own: Path) -> None:
    own.write_text(own.read_text().replace(",macs,", ",lat[measured],"))
    settings = StudySettings(
        accuracy_table=own,
        space_from_table=True,
        objectives=("acc", "lat"),
        constraints=("params<=505",),
        sampler="surrogate",
        population=8,
        generations=5,
    )
    study = run_study(settings, database="studies.db")
    assert study.front()
    assert all(
        sum(member["genotype"].count(digit) * int(digit) for digit in "12") <= 5 for member in study.front()
    )
    assert study.resume(generations=6).evaluations()[:40] == study.evaluations()


def test_our_own_networks_with_computed_costs(tmp_path: Path) -> None:
    settings = StudySettings(
        accuracy_table=ROOT / "benchmarks" / "search" / "accuracies_cifar32.csv",
        objectives=("acc", "lat", "energy"),
        sampler="nsga2",
        population=8,
        generations=4,
    )
    study = run_study(settings, database=tmp_path / "studies.db")
    # Both mappings of each network, as without a table.
    assert {record["mapping"] for record in study.evaluations()} == {"latency", "energy"}
    networks = {record["genotype"].rsplit(",", 1)[0] for record in study.evaluations()}
    assert len(study.evaluations()) == 2 * len(networks)
    assert study.study.space == "cifar32"
    assert study.front()[0]["family"] != ""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--space-from-table",), "--space-from-table needs --accuracy-table"),
        (("--accuracy-table", "absent.csv"), "absent.csv does not exist"),
        (("--accuracy-table", "own.csv"), "give --space-from-table"),
        (("--accuracy-table", "own.csv", "--space-from-table"), "has no column 'lat'"),
        (
            ("--accuracy-table", "own.csv", "--space-from-table", "--space", "cifar32"),
            "takes the space from the table: leave out --space",
        ),
        (("--accuracy-table", "own.csv", "--space-from-table", "--racing"), "leave out --racing"),
        (
            ("--accuracy-table", "own.csv", "--space-from-table", "--objectives", "acc,top5"),
            "has no column 'top5'",
        ),
        (
            (*table(Path("own.csv")), "--constraint", "vit_blocks>=1"),
            "has no column 'vit_blocks'",
        ),
        (
            (*table(Path("own.csv")), "--search-hardware", "macros=1,2"),
            "--search-hardware needs an objective",
        ),
    ],
)
def test_refused_in_one_line(own: Path, command: Command, given: tuple[str, ...], message: str) -> None:
    ended = command(run, *given)
    assert ended.code == 2
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert not Path("studies.db").exists()


@pytest.mark.skipif(DATA is None, reason="H4H_TEST_DATA names no folder of data sets")
def test_nas_bench_macro(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loader of the page, on the real file: as many distinct networks as its README counts."""
    from tests.docs.pages import page

    (loader,) = [
        block for block in page("docs/how-to/use-an-accuracy-table.md").blocks if block.kind == "python"
    ]
    monkeypatch.chdir(tmp_path)
    Path("loader.py").write_text(loader.content)
    source = Path(str(DATA)) / "nas-bench-macro" / "nas-bench-macro_cifar10.json"
    subprocess.run([sys.executable, "loader.py", str(source), "macro.csv"], check=True)
    settings = StudySettings(
        accuracy_table="macro.csv",
        space_from_table=True,
        objectives=("acc", "macs", "params"),
        sampler="surrogate",
        generations=4,
    )
    lines: list[str] = []
    study = run_study(settings, database="studies.db", on_notice=lines.append)
    assert any("3,969 networks, acc with a standard error of" in line for line in lines)
    assert len(study.evaluations()) == 96
    with closing(sqlite3.connect("studies.db")) as connection:
        assert connection.execute("SELECT COUNT(*) FROM evaluation").fetchone() == (96,)
