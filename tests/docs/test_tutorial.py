"""The tutorial: its files, commands and snippets run from top to bottom in one folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from objectives.hardware import load_soc
from search_space.space import load_space
from tests.docs.conftest import Call
from tests.docs.pages import ROOT, page
from tests.docs.test_commands import runnable

TUTORIAL = "docs/tutorial.md"


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_tutorial_runs(own_folder: Path, call: Call) -> None:
    for block in page(TUTORIAL).blocks:
        if block.file:
            Path(block.file).write_text(block.content, encoding="utf-8")
        elif block.kind == "python":
            exec(compile(block.content, f"{TUTORIAL}:{block.line}", "exec"), {"__name__": "snippet"})
        elif block.kind == "commands":
            for line in block.content.replace("\\\n", " ").splitlines():
                for what, *arguments in runnable(line, TUTORIAL) if line.strip() else ():
                    call(what, arguments)
    made = ("photos.html", "photos.csv", "chosen.pt2", "runs/chosen/network.safetensors")
    assert [name for name in made if not Path(name).exists()] == []


def test_files_of_the_tutorial_load(own_folder: Path) -> None:
    files = [block for block in page(TUTORIAL).blocks if block.kind == "yaml"]
    assert [block.file for block in files] == ["photos.yaml", "chip.yaml"]
    for block in files:
        Path(block.file).write_text(block.content, encoding="utf-8")
    space, soc = load_space("photos.yaml"), load_soc("chip.yaml")
    text = (ROOT / TUTORIAL).read_text(encoding="utf-8")
    assert f"{len(space.genes)} genes, {space.cardinality:,} distinct networks" in text
    assert (soc.macros, soc.clock_mhz) == (4, 400)
