"""The tutorials: their files, commands and snippets run from top to bottom in one folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from objectives.hardware import load_soc
from search_space.space import load_space
from tests.docs.conftest import Call
from tests.docs.pages import ROOT, page
from tests.docs.test_commands import runnable

TUTORIAL, PHOTOGRAPHS = "docs/tutorial.md", "docs/tutorial-photographs.md"


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tutorial", "shorter", "made"),
    [
        (
            TUTORIAL,
            {},
            ("photos.html", "photos.csv", "chosen.pt2", "runs/chosen/network.safetensors"),
        ),
        (
            PHOTOGRAPHS,
            # Fewer pictures, and smaller ones than any network of the space is meant for.
            {"range(80)": "range(8)", "resolution: [64]": "resolution: [32]"},
            ("shapes.png", "runs/chosen/network.safetensors"),
        ),
    ],
)
def test_the_tutorial_runs(
    tutorial: str, shorter: dict[str, str], made: tuple[str, ...], own_folder: Path, call: Call
) -> None:
    replaced = set()
    for block in page(tutorial).blocks:
        content = block.content
        for text, instead in shorter.items():
            replaced |= {text} if text in content else set()
            content = content.replace(text, instead)
        if block.file:
            Path(block.file).write_text(content, encoding="utf-8")
        elif block.kind == "python":
            exec(compile(content, f"{tutorial}:{block.line}", "exec"), {"__name__": "snippet"})
        elif block.kind == "commands":
            for line in content.replace("\\\n", " ").splitlines():
                for what, *arguments in runnable(line, tutorial) if line.strip() else ():
                    call(what, arguments)
    assert replaced == set(shorter)
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
