"""The architecture: which part of the code may import which other part.

`LAYERS` is the rule. A layer imports only from itself and from the layers before it in the list, never in a
circle.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import networkx
import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("search_space", "supernet", "objectives", "studies")
MOST_LINES = 450

LAYERS = {
    "search_space": (
        ("errors", "arrays"),
        ("files", "command"),
        ("genotype", "subnet", "block_options"),
        (
            *("complexity", "families", "family_distance", "mobilenet_v2", "space", "stage_genes"),
            *("subnet_sampling", "table_space", "row_index"),
        ),
        ("describe",),
    ),
    "supernet": (
        ("checkpoints",),
        ("images",),
        ("network",),
        ("accuracy", "gradient_conflict"),
        ("torch_models",),
        ("training",),
        (
            "train",
            "evaluate",
            "finetune",
            "conflict",
            "data",
            "inspect",
            "teacher",
            "label",
            "predict",
            "bring",
        ),
    ),
    "objectives": (
        ("objective", "hardware.op", "hardware.chip"),
        ("hardware.npu_passes",),
        ("workload", "hardware.parts", "hardware.measurements"),
        (
            *("hardware.soc", "hardware.soc_digest", "hardware.chip_upgrade"),
            *("hardware.vela_compiler", "hardware.npu_model"),
        ),
        ("hardware.mapping", "hardware.spill"),
        ("hardware.cost_model",),
        ("hardware.measured_share", "hardware.frame_rate"),
        ("roofline",),
        (
            *("hardware_objectives", "accuracy_objective", "size_objectives", "own_objective"),
            *("timeline", "hardware.chip_options", "population", "workers", "registry", "tabled"),
            *("tflite_network", "chip_from_ini", "deployment"),
        ),
        ("three_networks", "networks_on_chip"),
        ("profile", "describe"),
    ),
    "studies": (
        ("design_space",),
        ("study",),
        ("storage", "samplers", "presentation"),
        ("search", "analysis"),
        ("launch", "report_page", "deployment"),
        (
            "run",
            "show",
            "compare",
            "report",
            "export",
            "pick",
            "validate",
            "measure",
            "deploy",
            "verify",
            "backup",
            "merge",
            "rename",
            "migrate",
            "worker",
        ),
    ),
}
"""By package, from the bottom up: rooms and files that may import the earlier layers."""

COMMANDS = {f"{package}.{name}" for package, layers in LAYERS.items() for name in layers[-1]}

LIGHT = ("studies.show", "search_space.describe")
"""Commands that must start without the heavy libraries."""
HEAVY = ("torch", "torchvision", "pymoo", "optuna", "matplotlib", "plotly", "distributed")


@pytest.fixture(scope="module")
def imports() -> networkx.DiGraph:
    """Every import of one module by another, also those for type checkers only and those inside functions."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    edges = networkx.DiGraph()
    edges.add_nodes_from(graph.modules)
    for importer in graph.modules:
        edges.add_edges_from((importer, one) for one in graph.find_modules_directly_imported_by(importer))
    return edges


def layer_of(module: str) -> int | None:
    """Rank of a module in its package; None for the package's own public face."""
    package, _, rest = module.partition(".")
    for rank, names in enumerate(LAYERS[package]):
        if any(rest == name or rest.startswith(f"{name}.") for name in names):
            return rank
    return None


def upward(imports: networkx.DiGraph) -> list[str]:
    """Imports that run from a package or a layer to one that stands above it."""
    wrong = []
    for importer, imported in imports.edges:
        packages = [PACKAGES.index(module.partition(".")[0]) for module in (importer, imported)]
        if packages[0] < packages[1]:
            wrong.append(f"{importer} -> {imported}")
        elif packages[0] == packages[1]:
            low, high = layer_of(importer), layer_of(imported)
            if low is not None and high is not None and low < high:
                wrong.append(f"{importer} -> {imported}")
    return sorted(wrong)


def circles(imports: networkx.DiGraph) -> list[list[str]]:
    """Groups of modules, or of rooms, that import each other in a circle."""
    rooms = networkx.DiGraph()
    for importer, imported in imports.edges:
        pair = room_of(importer), room_of(imported)
        if pair[0] != pair[1]:
            rooms.add_edge(*pair)
    return [
        sorted(group)
        for graph in (imports, rooms)
        for group in networkx.strongly_connected_components(graph)
        if len(group) > 1
    ]


def room_of(module: str) -> str:
    """The entry of `LAYERS` that holds a module, or the module itself."""
    package, _, rest = module.partition(".")
    names = (name for names in LAYERS[package] for name in names)
    return next(
        (f"{package}.{name}" for name in names if rest == name or rest.startswith(f"{name}.")), module
    )


def imported_commands(imports: networkx.DiGraph) -> list[str]:
    """Imports of a command by anything."""
    return sorted(f"{a} -> {b}" for a, b in imports.edges if b in COMMANDS)


def test_every_module_has_a_layer(imports: networkx.DiGraph) -> None:
    faces = {*PACKAGES, "objectives.hardware"}
    assert {module for module in imports if layer_of(module) is None} == faces


def test_imports_run_one_way(imports: networkx.DiGraph) -> None:
    assert upward(imports) == []


def test_there_is_no_circle(imports: networkx.DiGraph) -> None:
    assert circles(imports) == []


def test_nobody_imports_a_command(imports: networkx.DiGraph) -> None:
    assert imported_commands(imports) == []
    others = {
        path: list(imported_by(path)) for path in [ROOT / "h4h.py", *(ROOT / "benchmarks").rglob("*.py")]
    }
    assert {str(path): COMMANDS & {*names} for path, names in others.items() if COMMANDS & {*names}} == {}


def test_commands_are_those_that_can_be_run() -> None:
    runnable = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if 'if __name__ == "__main__":' in path.read_text()
    }
    assert runnable == COMMANDS


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("search_space.space", "studies.study.study"),
        ("supernet.network.blocks", "objectives.objective"),
        ("studies.design_space.chip_choices", "studies.search.search_loop"),
        ("objectives.hardware.op", "objectives.hardware.cost_model"),
    ],
)
def test_a_planted_upward_import_is_seen(imports: networkx.DiGraph, importer: str, imported: str) -> None:
    planted = imports.copy()
    assert {importer, imported} <= {*planted}
    planted.add_edge(importer, imported)
    assert {*upward(planted)} - {*upward(imports)} == {f"{importer} -> {imported}"}


def test_a_planted_circle_is_seen(imports: networkx.DiGraph) -> None:
    planted = imports.copy()
    planted.add_edges_from([("studies.search.search_loop", "studies.analysis.tradeoff")])
    planted.add_edges_from([("studies.analysis.tradeoff", "studies.search.search_loop")])
    assert any(
        {"studies.search.search_loop", "studies.analysis.tradeoff"} <= {*group} for group in circles(planted)
    )
    assert ["studies.analysis", "studies.search"] in circles(planted)


def test_a_planted_import_of_a_command_is_seen(imports: networkx.DiGraph) -> None:
    planted = imports.copy()
    planted.add_edge("studies.launch.plan", "studies.run")
    assert imported_commands(planted) == ["studies.launch.plan -> studies.run"]


def imported_by(path: Path) -> Iterator[str]:
    """Names of the modules that a file imports, and of what it takes from them."""
    if path.exists():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_file_is_long() -> None:
    folders = (*PACKAGES, "benchmarks", "tests")
    counts = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {path: count for path, count in counts.items() if count > MOST_LINES} == {}


@pytest.mark.parametrize("command", LIGHT)
def test_a_light_command_starts_without_heavy_libraries(command: str) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.argv = [{command!r}, '--help']\n"
        "try:\n"
        f"    runpy.run_module({command!r}, run_name='__main__')\n"
        "except SystemExit:\n"
        "    pass\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert loaded(code) == "LOADED []"


def test_rooms_are_entered_without_heavy_libraries() -> None:
    rooms = [
        ".".join(path.parent.relative_to(ROOT).parts)
        for package in PACKAGES
        for path in (ROOT / package).rglob("__init__.py")
    ]
    code = f"import {', '.join(rooms)}, sys\nprint('LOADED', [n for n in {HEAVY!r} if n in sys.modules])"
    assert loaded(code) == "LOADED []"


def test_a_heavy_import_is_seen() -> None:
    assert (
        loaded(f"import torch, sys\nprint('LOADED', [n for n in {HEAVY[:1]!r} if n in sys.modules])")
        != "LOADED []"
    )


def loaded(code: str) -> str:
    """The last line that a fresh interpreter prints."""
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=250, check=True
    )
    return ended.stdout.splitlines()[-1]
