"""Objectives, samplers, NPU models and spaces of installed packages: found by name, or named when broken."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from objectives import CostModel, known_objectives, load_soc
from objectives.workload import ops_of, workload
from search_space import known_spaces, load_space
from search_space.errors import H4HError
from studies import StudySettings, known_samplers, load_study, run, run_study
from studies.run import main
from tests.command import Command
from tests.installed_package import install

OBJECTIVES = """
class Depth:
    name, unit, direction, version = "depth", "blocks", "max", "1"

    def __call__(self, subnets):
        return [subnet.conv_blocks + subnet.vit_blocks for subnet in subnets]

class Renamed(Depth):
    name = "other"
"""
SAMPLERS = """
from studies.samplers.random import create

def climb(context):
    return create(context)

climb.version = "1"
number = 3
"""
SPACES = """
from pathlib import Path

from search_space import load_space

file = Path(__file__).parent / "small.yaml"
text = str(Path(__file__).parent / "other.yaml")
copy = load_space("cifar32")
number = 3
"""
MODELS = """
class Slow:
    name = "slow 1"

    def __init__(self, npu):
        pass

    def cycles(self, ops):
        return ops.macs + 7.0

class Nameless:
    def __init__(self, npu):
        pass
"""
SMALL = "base: cifar32\nname: small\nresolution: [24]\n"
QUICK = ("--population", "6", "--generations", "1", "--study", "mine")


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of installed packages; each test runs in another, empty one."""
    folder, work = tmp_path / "site", tmp_path / "work"
    work.mkdir()
    files = {
        "objectives.py": OBJECTIVES,
        "samplers.py": SAMPLERS,
        "spaces.py": SPACES,
        "models.py": MODELS,
        "small.yaml": SMALL,
        "other.yaml": SMALL,
    }
    points = {
        "h4h.objectives": (
            "depth = little_package.objectives:Depth\nbroken = little_package.absent:Depth\n"
            "wrong = little_package.objectives:Renamed\nlat = little_package.objectives:Depth"
        ),
        "h4h.samplers": "climb = little_package.samplers:climb\nnumber = little_package.samplers:number",
        "h4h.spaces": (
            "small = little_package.spaces:file\nother = little_package.spaces:text\n"
            "copy = little_package.spaces:copy\nnumber = little_package.spaces:number"
        ),
        "h4h.npu_models": (
            "slow = little_package.models:Slow\nnameless = little_package.models:Nameless\n"
            "absent = little_package.models:Absent"
        ),
    }
    install(folder, "little-package", files=files, points=points)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(work)
    for name in [name for name in sys.modules if name.partition(".")[0] == "little_package"]:
        monkeypatch.delitem(sys.modules, name)
    return folder


def test_objective_and_sampler_are_found_by_name_as_by_reference() -> None:
    run.main(["--objectives", "macs,depth", "--sampler", "climb", *QUICK, "--db", "named.db"])
    words = ["--objectives", "macs,little_package.objectives:Depth", *QUICK, "--db", "reference.db"]
    run.main([*words, "--sampler", "little_package.samplers:climb"])
    named, reference = load_study("named.db", "mine"), load_study("reference.db", "mine")
    assert named.measured == reference.measured
    assert named.study.fingerprint == reference.study.fingerprint
    assert named.study.fingerprint["depth_code"] == "little_package.objectives:Depth"
    assert named.study.fingerprint["sampler_version"] == "1"
    for record in named.evaluations():
        assert record["depth"] == record["conv_blocks"] + record["vit_blocks"]


def test_a_study_resumes_by_the_names_alone() -> None:
    settings = StudySettings(objectives=("macs", "depth"), sampler="climb", population=4, generations=1)
    study = run_study(settings, database="studies.db")
    assert len(load_study("studies.db", study.name).resume(generations=2).measured) == 8


def test_another_version_of_the_code_is_another_study(
    packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.main(["--objectives", "macs,depth", *QUICK])
    path = packages / "little_package" / "objectives.py"
    path.write_text(OBJECTIVES.replace('"max", "1"', '"max", "20"'))
    monkeypatch.delitem(sys.modules, "little_package.objectives")
    with pytest.raises(H4HError, match="depth_version 1 -> 20"):
        run.main(["--objectives", "macs,depth", *QUICK])


def test_an_objective_may_be_limited_only() -> None:
    settings = StudySettings(
        objectives=("macs", "params"), constraints=("depth>=6",), population=6, generations=1
    )
    study = run_study(settings, database="studies.db")
    assert study.study.objectives == ("macs", "params")
    for record in study.evaluations():
        assert record["feasible"] == (record["conv_blocks"] + record["vit_blocks"] >= 6)


def test_spaces_are_files_or_objects(tmp_path: Path) -> None:
    small = load_space("small")
    assert (small.name, small.resolution) == ("small", (24,))
    Path("mine.yaml").write_text("base: small\nname: mine\nhead: {classes: 3}\n")
    mine = load_space("mine.yaml")
    assert (mine.resolution, mine.head.classes) == ((24,), 3)
    run.main(["--space", "small", "--objectives", "macs,params", *QUICK])
    assert load_study("studies.db", "mine").study.search_space.networks == small


def test_a_model_of_the_npu() -> None:
    ops = ops_of(workload(load_space("cifar32").decode(load_space("cifar32").smallest())))
    cost = CostModel(load_soc("u55-256"), npu_model="slow").network(ops)
    assert cost.ops[0].npu_cycles == ops[0].macs + 7


def test_names_are_known() -> None:
    assert {"depth", "broken", "acc"} <= {*known_objectives()}
    assert known_objectives().count("lat") == 1
    assert {"climb", "nsga2"} <= {*known_samplers()}
    assert known_spaces()[:2] == ("cifar32", "imagenet224")
    assert {"small", "copy"} <= {*known_spaces()}


BROKEN = {
    "a module that is missing": (
        ("--objectives", "macs,broken"),
        "objective 'broken (little-package 1.0)' cannot be imported from little_package.absent:Depth "
        "(ModuleNotFoundError: No module named 'little_package.absent'): repair or uninstall the package",
    ),
    "an objective of another name": (
        ("--objectives", "macs,wrong"),
        "objective 'wrong (little-package 1.0)' calls itself 'other': give both the same name",
    ),
    "no sampler": (
        ("--objectives", "macs", "--sampler", "number"),
        "sampler 'number (little-package 1.0)' must be a class derived from studies.Sampler, but got 3",
    ),
    "no space": (
        ("--objectives", "macs", "--space", "number"),
        "space 'number (little-package 1.0)' must be a Space, or the path of a YAML file, but is 3",
    ),
    "a space of another name": (
        ("--objectives", "macs", "--space", "copy"),
        "space 'copy (little-package 1.0)' calls itself 'cifar32': give both the same name",
    ),
    "an unknown name": (
        ("--objectives", "macs,dept"),
        "unknown objective 'dept': must be one of acc, lat, energy, power, area, macs, params, sram, broken, "
        "depth, wrong; did you mean 'depth'?",
    ),
    "an unknown space": (
        ("--objectives", "macs", "--space", "smal"),
        "unknown space 'smal': must be one of cifar32, imagenet224, photo128, copy, number, other, small, or "
        "a path that ends in .yaml; did you mean 'small'?",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_one_is_one_line_that_names_its_package(case: str, command: Command) -> None:
    words, message = BROKEN[case]
    ended = command(main, *words)
    assert (ended.code, ended.err) == (2, f"error: {message}\n")
    assert not Path("studies.db").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nameless", r"NPU model 'nameless \(little-package 1.0\)' failed \(AttributeError"),
        ("absent", r"NPU model 'absent \(little-package 1.0\)' cannot be imported"),
    ],
)
def test_a_broken_model_of_the_npu(name: str, message: str) -> None:
    with pytest.raises(H4HError, match=message):
        CostModel(load_soc("u55-256"), npu_model=name)


def test_two_packages_of_one_name(packages: Path, command: Command) -> None:
    points = {"h4h.objectives": "depth = rival.objectives:Depth"}
    install(packages, "rival", version="2", files={"objectives.py": OBJECTIVES}, points=points)
    ended = command(main, "--objectives", "macs,depth")
    expected = "objective 'depth' is offered by little-package 1.0 and rival 2: uninstall one of them"
    assert (ended.code, ended.err) == (2, f"error: {expected}\n")


def test_the_list_names_origin_and_what_is_broken(command: Command) -> None:
    ended = command(main, "--list", "--objectives", "acc")
    assert (ended.code, ended.err) == (0, "")
    options = [line for line in ended.out.splitlines() if line.startswith("--")]
    assert options == ["--objectives", "--sampler", "--npu-model", "--space", "--hardware"]
    rows = [line.split(maxsplit=1) for line in ended.out.splitlines() if not line.startswith("--")]
    for row in (
        ["acc", "H4H-NAS"],
        ["u55-256-cim8", "H4H-NAS"],
        ["depth", "little-package 1.0 (little_package.objectives:Depth)"],
        ["lat", "little-package 1.0: hidden by the one of H4H-NAS"],
        ["climb", "little-package 1.0 (little_package.samplers:climb)"],
        ["small", "little-package 1.0 (little_package.spaces:file)"],
        ["slow", "little-package 1.0 (little_package.models:Slow)"],
        ["broken", f"little-package 1.0: cannot be used: {BROKEN['a module that is missing'][1]}"],
        ["copy", f"little-package 1.0: cannot be used: {BROKEN['a space of another name'][1]}"],
    ):
        assert row in rows
    assert not Path("studies.db").exists()
