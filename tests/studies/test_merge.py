"""Merged and renamed studies: every command takes them as it takes others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search_space.errors import H4HError
from studies import LoadedStudy, StudySettings, load_study, merge_studies, run_study
from studies.backup import main as backup
from studies.compare import main as compare
from studies.export import main as export
from studies.merge import main as merge
from studies.pick import main as pick
from studies.rename import main as rename
from studies.report import main as report
from studies.run import main as run
from studies.show import main as show
from studies.verify import main as verify
from tests.command import Command
from tests.command_words import printed

QUICK = ("--objectives", "macs,lat", "--sampler", "random", "--population", "6", "--generations", "2")


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory, tiny_path: Path) -> tuple[Path, Path]:
    """Two databases as of two machines, each with one seed of the same study."""
    folder = tmp_path_factory.mktemp("seeds")
    for seed in (0, 1):
        run_study(settings(tiny_path, seed=seed), database=folder / f"{seed}.db")
    return folder / "0.db", folder / "1.db"


def settings(space: Path, **others: object) -> StudySettings:
    seed = others.pop("seed", 0)
    given = {"objectives": ("macs", "lat"), "sampler": "random", "population": 6, "generations": 2}
    return StudySettings(**(given | {"space": space, "seed": seed, "study": f"seed{seed}"} | others))  # type: ignore[arg-type]


def loaded(seeds: tuple[Path, Path]) -> list[LoadedStudy]:
    return [load_study(path, f"seed{seed}") for seed, path in enumerate(seeds)]


def test_every_command_takes_a_merged_study(
    seeds: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    sources = [f"{path}:seed{seed}" for seed, path in enumerate(seeds)]
    ended = command(merge, *sources, "--into", "both", "--db", "new.db")
    assert ended.code == 0, ended.err
    runs = loaded(seeds)
    both = load_study("new.db", "both")
    values = {row.genotype: row.values for each in runs for row in each.measured}
    assert {row.genotype: row.values for row in both.measured} == values
    assert f"study 'both': {len(values)} evaluations ({24 - len(values)} more repeat a network)" in ended.out
    shown = [printed(line) for line in ended.out.split("next:")[1].strip().splitlines()]
    monkeypatch.chdir(tmp_path.parent)  # Printed commands run from any folder.
    for name, *words in shown:
        assert command({"studies.show": show, "studies.pick": pick}[name], *words).code == 0
    monkeypatch.chdir(tmp_path)
    front = json.loads(command(show, "--db", "new.db", "--study", "both", "--json").out)["front"]
    assert {tuple(member["genotype"]) for member in front} == {
        row.genotype for row in both.study.front(both.measured)
    }
    for main, words in (
        (compare, ["both", sources[0], "--db", "new.db"]),
        (export, ["both", "--db", "new.db", "--format", "csv", "--out", "both.csv"]),
        (report, ["both", sources[1], "--db", "new.db", "--out", "both.html"]),
        (verify, ["new.db"]),
    ):
        ended = command(main, *words)
        assert ended.code == 0, ended.err
    resumed = command(run, *QUICK, "--space", "cifar32", "--study", "both", "--db", "new.db")
    assert resumed.code == 2
    assert "so it has no search to resume" in resumed.err
    taken = command(merge, *sources, "--into", "both", "--db", "new.db")
    assert "has a study 'both' already" in taken.err


def test_merging_in_python(seeds: tuple[Path, Path], tmp_path: Path, tiny_path: Path) -> None:
    runs = loaded(seeds)
    both = merge_studies(runs, into="both", database=tmp_path / "new.db")
    assert both.hypervolume >= max(each.hypervolume for each in runs)
    with pytest.raises(H4HError, match="has no search to resume"):
        both.resume(generations=3)
    other = run_study(settings(tiny_path, hardware="u55-128", study="other"), database=tmp_path / "other.db")
    with pytest.raises(H4HError, match=r"cannot become one.* hardware u55-256-cim8 -> u55-128"):
        merge_studies([runs[0], other], into="mixed", database=tmp_path / "mixed.db")
    assert not (tmp_path / "mixed.db").exists()
    # What a merged study holds is known to the next one.
    every = settings(tiny_path, study="next", warm_start=("both",), warm_start_all=True, generations=1)
    following = run_study(every, database=tmp_path / "new.db")
    assert {row.genotype for row in both.measured} <= {row.genotype for row in following.measured}


def test_a_renamed_study_resumes_and_the_old_one_can_be_left_out(
    seeds: tuple[Path, Path],
    tmp_path: Path,
    tiny_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = command(backup, str(seeds[0]), "studies.db")
    assert ended.code == 0, ended.err
    ended = command(rename, "seed0", "a new name")
    assert ended.code == 0, ended.err
    assert command(rename, "seed0", "a new name").err.count("already: choose another name") == 1
    assert "NEW must not begin with a dash" in command(rename, "seed0", "--", "-x").err
    assert "unknown study 'seed1'" in command(rename, "seed1", "x").err
    (line,) = [line for line in ended.out.splitlines() if "studies.backup" in line]
    monkeypatch.chdir(tmp_path.parent)
    _, *words = printed(line)
    assert command(backup, *words).code == 0
    monkeypatch.chdir(tmp_path)
    with pytest.raises(H4HError, match="unknown study 'seed0'"):
        load_study("studies-copy.db", "seed0")
    goal = settings(tiny_path, generations=4)
    whole = run_study(goal, database="whole.db")
    resumed = run_study(settings(tiny_path, generations=4, study="a new name"), database="studies-copy.db")
    assert resumed.measured == whole.measured
    assert command(verify, "studies-copy.db").code == 0


def test_only_the_named_studies_are_backed_up(
    seeds: tuple[Path, Path], tmp_path: Path, command: Command
) -> None:
    path = tmp_path / "three.db"
    for seed, source in enumerate(seeds):
        assert command(rename, f"{source}:seed{seed}", f"copy{seed}", "--db", str(path)).code == 0
    assert command(rename, "copy0", "third", "--db", str(path)).code == 0
    copy = tmp_path / "copy.db"
    ended = command(backup, str(path), str(copy), "--study", "third", "--study", "copy1")
    assert (ended.code, ended.out) == (0, f"24 evaluations of 'third', 'copy1' in {path}: {copy}\n")
    assert [entry.name for entry in tmp_path.iterdir() if "copy.db" in entry.name] == ["copy.db"]
    assert load_study(copy, "copy1").measured == load_study(seeds[1], "seed1").measured
    with pytest.raises(H4HError, match="unknown study 'copy0'"):
        load_study(copy, "copy0")
    missing = command(backup, str(path), str(tmp_path / "none.db"), "--study", "third", "--study", "none")
    assert missing.code == 2
    assert "unknown study 'none'" in missing.err
    assert not (tmp_path / "none.db").exists()
