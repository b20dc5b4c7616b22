"""Objectives and samplers of a user's own, named on the command line or passed to `run_study`."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from search_space.errors import H4HError
from studies import StudySettings, load_study, run, run_study
from studies.show import main as show
from tests.command import Command
from tests.command_words import replaced
from tests.studies import own_code

ROOT = Path(__file__).parents[2]
HERE = "tests.studies.own_code"
SETTINGS = StudySettings(objectives=("macs", "depth"), population=6, generations=2, study="mine")
QUICK = ("--population", "6", "--generations", "2", "--study", "mine")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test in an empty folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_object_and_its_reference_make_the_same_study() -> None:
    passed = run_study(SETTINGS, database="passed.db", objectives=[own_code.Depth()])
    run.main(["--objectives", f"macs,{HERE}:Depth", *QUICK, "--db", "named.db"])
    named = load_study("named.db", "mine")
    assert named.measured == passed.measured
    assert named.study.fingerprint == passed.study.fingerprint
    assert named.study.fingerprint["depth_code"] == f"{HERE}:Depth"
    assert named.study.fingerprint["depth_version"] == "1"
    assert [goal.unit for goal in named.study.goals] == ["MACs", "blocks"]
    for record in passed.evaluations():
        assert record["depth"] == record["conv_blocks"] + record["vit_blocks"]


def test_an_objective_that_the_settings_do_not_name_stands_behind_the_others() -> None:
    settings = replace(SETTINGS, objectives=("macs", "params"), study=None)
    study = run_study(settings, database="studies.db", objectives=[own_code.Depth()])
    assert study.name == "cifar32-macs-params-depth-s0"
    assert study.study.objectives == ("macs", "params", "depth")


def test_a_study_of_own_objects_resumes() -> None:
    study = run_study(SETTINGS, database="studies.db", objectives=[own_code.Depth()])
    assert len(study.resume(generations=3).measured) == 18
    later = load_study("studies.db", "mine")
    with pytest.raises(H4HError, match=r"an objective of your own, 'depth' \(tests.studies.own_code:Depth\)"):
        later.resume(generations=4)
    assert len(later.resume(generations=4, objectives=[own_code.Depth()]).measured) == 24


def test_another_version_is_another_study(monkeypatch: pytest.MonkeyPatch) -> None:
    study = run_study(SETTINGS, database="studies.db", objectives=[own_code.Depth()])
    monkeypatch.setattr(own_code.Depth, "version", "2")
    with pytest.raises(H4HError, match="depth_version 1 -> 2"):
        study.resume(generations=3)


def test_without_a_version_the_source_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "class Size:\n    name, unit, direction = 'size', 'px', 'max'\n"
        "    def __call__(self, subnets):\n        return [subnet.resolution for subnet in subnets]\n"
    )
    words = ["-m", "studies.run", "--objectives", "macs,mine:Size", *QUICK]

    def ended() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}
        )

    Path("mine.py").write_text(text)
    assert (ended().returncode, ended().stderr) == (0, "")
    Path("mine.py").write_text(text.replace("subnet.resolution for", "2 * subnet.resolution for"))
    changed = ended()
    assert changed.returncode == 2
    assert "size_source" in changed.stderr
    assert changed.stderr.count("\n") == 1


def test_own_objectives_are_limited_and_preferred_and_shown(command: Command) -> None:
    names = f"macs,{HERE}:Power"
    run.main(["--objectives", names, "--constraint", "draw<=0.004W", "--constraint", "macs<=30M", *QUICK])
    study = load_study("studies.db", "mine")
    assert study.study.constraints == ("draw<=4mW", "macs<=30000000")
    assert {record["draw"] <= 4 for record in study.front()} == {True}
    assert any(not one.is_feasible for one in study.measured)
    ended = command(show, "--db", "studies.db", "--study", "mine")
    assert (ended.code, "draw mW" in ended.out) == (0, True)
    words = ["--objectives", names, "--sampler", "rnsga2", "--prefer", "draw=4mW", *QUICK, "--db", "p.db"]
    run.main(words)
    assert load_study("p.db", "mine").study.fingerprint["preferences"] == "draw=4mW"


def test_an_own_objective_may_be_limited_only() -> None:
    settings = replace(SETTINGS, objectives=("macs", "params"), constraints=("depth>=6",))
    study = run_study(settings, database="studies.db", objectives=[own_code.Depth()])
    assert study.study.objectives == ("macs", "params")
    for record in study.evaluations():
        assert record["feasible"] == (record["conv_blocks"] + record["vit_blocks"] >= 6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("NoUnit", "needs an attribute `unit`"),
        ("NoDirection", "needs an attribute `direction`"),
        ("NotCallable", "must be callable"),
        ("BadName", "has the name 'my depth'"),
        ("BuiltIn", "has the name of the built-in objective 'lat'"),
        ("NeedsArguments", "cannot be made without arguments (TypeError"),
        ("WrongShape", "subnets, but gave shape (3,)"),
        ("Texts", "failed (ValueError: could not convert string to float: 'deep')"),
        ("NotANumber", "'depth' is nan"),
        ("Fails", "failed (ZeroDivisionError: division by zero)"),
        ("BadFingerprint", "must give texts by name as its fingerprint()"),
        ("Absent", "has no 'Absent'"),
        ("number", "needs an attribute `name`"),
    ],
)
def test_what_is_wrong_with_an_objective_is_one_line(
    name: str, message: str, command: Command, folder: Path
) -> None:
    ended = command(run.main, "--objectives", f"macs,{HERE}:{name}", *QUICK)
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert message in ended.err
    assert f"{HERE}:{name}" in ended.err or name == "NotANumber"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise RuntimeError('broken')", "cannot be imported (RuntimeError: broken)"),
        ("import nothing_of_this_name", "cannot be imported (ModuleNotFoundError"),
        ("class Mine(", "cannot be imported (SyntaxError"),
        (None, "No module named 'my_module'"),
    ],
)
def test_a_module_that_cannot_be_imported_is_one_line(
    text: str | None, message: str, command: Command, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "my_module", raising=False)
    if text is not None:
        Path("my_module.py").write_text(text)
    for option, kind in (("--objectives", "objective"), ("--sampler", "sampler")):
        words = replaced(["--objectives", "macs"], [option, "my_module:Mine"])
        ended = command(run.main, *words, *QUICK)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert f"{kind} 'my_module:Mine' {message}" in ended.err or message in ended.err
    ended = command(run.main, "--objectives", "macs,:Mine", *QUICK)
    assert "must be a name, or module:Name" in ended.err


def test_workers_measure_an_expensive_objective() -> None:
    settings = replace(SETTINGS, objectives=("macs", "slow"), workers=2)
    study = run_study(settings, database="spread.db", objectives=[own_code.Slow()])
    processes = set(map(int, Path("processes.txt").read_text().split()))
    assert len(processes) == 2
    assert os.getpid() not in processes
    alone = run_study(replace(settings, workers=None), database="alone.db", objectives=[own_code.Slow()])
    assert alone.measured == study.measured
    with pytest.raises(H4HError, match=r"own_code:SlowAndWrong' failed \(ArithmeticError: not today\)"):
        run_study(settings, database="wrong.db", objectives=[own_code.SlowAndWrong()])


def test_workers_refuse_what_they_cannot_import(monkeypatch: pytest.MonkeyPatch) -> None:
    class Local(own_code.Slow):
        pass

    settings = replace(SETTINGS, objectives=("macs", "slow"), workers=2)
    with pytest.raises(H4HError, match=r"Local' cannot be sent to --workers above 1 \("):
        run_study(settings, database="studies.db", objectives=[Local()])
    monkeypatch.setattr(own_code.Slow, "__module__", "__main__")
    with pytest.raises(H4HError, match="not in the script or notebook that runs"):
        run_study(settings, database="studies.db", objectives=[own_code.Slow()])
    settings = replace(settings, workers=None, dask="tcp://127.0.0.1:9")
    with pytest.raises(H4HError, match="cannot be sent to --dask: its class must lie in a module"):
        run_study(settings, database="studies.db", objectives=[own_code.Slow()])


def test_source_that_cannot_be_read_asks_for_a_version() -> None:
    code = (
        "import h4h\nclass Mine:\n    name, unit, direction = 'mine', 'px', 'max'\n"
        "    def __call__(self, subnets): return [1 for _ in subnets]\n"
        "try: h4h.run_study(h4h.StudySettings(objectives=('macs',)), database='s.db', objectives=[Mine()])\n"
        "except h4h.H4HError as error: print(error)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", f"exec({code!r})"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert "objective '__main__:Mine': its source cannot be read" in ended.stdout, ended.stderr
    assert "attribute `version`" in ended.stdout


def test_an_own_sampler_by_class_and_by_reference() -> None:
    settings = replace(SETTINGS, objectives=("macs", "params"), sampler="Draws")
    passed = run_study(settings, database="passed.db", samplers=[own_code.Draws])
    run.main(["--objectives", "macs,params", "--sampler", f"{HERE}:Draws", *QUICK, "--db", "named.db"])
    named = load_study("named.db", "mine")
    assert named.measured == passed.measured
    assert named.study.fingerprint == passed.study.fingerprint
    assert named.study.fingerprint["sampler"] == f"{HERE}:Draws"
    assert named.study.fingerprint["sampler_version"] == "1"
    built_in = run_study(replace(settings, sampler="random"), database="random.db")
    assert [one.values for one in named.measured] == [one.values for one in built_in.measured]
    assert len(passed.resume(generations=3).measured) == 18
    assert len(named.resume(generations=3).measured) == 18


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Misses", "failed (LookupError: lost)"),
        ("NoSampler", "must be a class derived from studies.Sampler, but makes a NoSampler"),
        ("NeedsArguments", "must be a class derived from studies.Sampler, but makes a NeedsArguments"),
        ("NoUnit", "failed (TypeError"),
        ("number", "must be a class derived from studies.Sampler, but got 3"),
        ("Absent", "has no 'Absent'"),
    ],
)
def test_what_is_wrong_with_a_sampler_is_one_line(name: str, message: str, command: Command) -> None:
    ended = command(run.main, "--objectives", "macs", "--sampler", f"{HERE}:{name}", *QUICK)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert message in ended.err
    assert f"{HERE}:{name}" in ended.err


@pytest.mark.parametrize(
    ("settings", "objectives", "samplers", "message"),
    [
        (SETTINGS, [], [], "unknown objective 'depth': must be one of acc"),
        (SETTINGS, [own_code.Depth(), own_code.Depth()], [], "two of the objects have the same name"),
        (replace(SETTINGS, objectives=("macs",)), [], [own_code.Draws], "name it, as in StudySettings"),
        (replace(SETTINGS, objectives=("macs",), sampler="Mine"), [], [], "unknown sampler 'Mine'"),
        (replace(SETTINGS, objectives=("macs",), sampler="Mine"), [], [3], "samplers must hold classes"),
    ],
)
def test_what_does_not_fit_the_settings_is_told(
    settings: StudySettings, objectives: list[object], samplers: list[object], message: str
) -> None:
    with pytest.raises(H4HError, match=message):
        run_study(settings, database="studies.db", objectives=objectives, samplers=samplers)
    assert not Path("studies.db").exists()
