"""Python and YAML snippets of the pages: each runs or loads as it stands."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from objectives import registry
from objectives.hardware import load_soc
from search_space.space import load_space
from tests.docs.conftest import Call
from tests.docs.pages import PAGES, Block, page
from tests.docs.rules import IN_ORDER

OBJECTIVE_PAGE = "docs/how-to/add-an-objective.md"
TEAM_TOOLS = ("mlflow", "wandb")
"""Packages of recipes that are no dependency; `test_team_logs.py` runs these with stand-ins."""


def blocks(kind: str) -> list[Any]:
    """Blocks of one kind, of pages whose commands do not build on each other."""
    return [
        pytest.param(block, id=f"{name}:{block.line}")
        for name in PAGES
        if name not in IN_ORDER
        for block in page(name).blocks
        if block.kind == kind
    ]


@pytest.mark.parametrize("block", blocks("python"))
def test_python_runs(block: Block, folder: Path) -> None:
    for package in TEAM_TOOLS:
        if f"import {package}" in block.content:
            pytest.importorskip(package)
    (folder / "snippet.py").write_text(block.content, encoding="utf-8")
    runpy.run_path("snippet.py")


@pytest.mark.parametrize("block", blocks("yaml"))
def test_yaml_loads(block: Block, tmp_path: Path) -> None:
    path = tmp_path / block.file
    path.write_text(block.content)
    loaded = (
        load_soc(str(path)) if "noc:" in block.content or "cim:" in block.content else load_space(str(path))
    )
    assert loaded.name == path.stem


def test_an_objective_is_one_file_and_one_line(
    folder: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file and the line of the page, as they stand there, work in a search."""
    (file,) = [block for block in page(OBJECTIVE_PAGE).blocks if block.file == "objectives/deployment.py"]
    (line,) = [block.content for block in page(OBJECTIVE_PAGE).blocks if '"deploy":' in block.content]
    (folder / "deployment.py").write_text(file.content, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("objectives.deployment", folder / "deployment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    added = eval(f"{{{line}}}", vars(module))
    monkeypatch.setattr(registry, "_BUILT_IN", registry._BUILT_IN | added)
    (name,) = added
    given = ["--objectives", f"macs,{name}", "--constraint", "params<=400k", "--db", "own.db"]
    given += ["--constraint", f"{name}<=50ms", "--search-hardware", "macros=2,8"]
    out = call("studies.run", [*given, "--population", "8", "--generations", "2"])
    assert "on 2 chips (macros=2,8)" in out
    assert f"{name} ms" in out
    assert f"cifar32-macs-{name}-s0" in call("studies.show", ["--db", "own.db"])
