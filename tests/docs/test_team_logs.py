"""Recipes from the JSON log to MLflow and Weights & Biases, run with stand-ins that note all numbers."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from studies import run
from tests.docs.pages import page

RECIPES = {
    package: block.content
    for block in page("docs/how-to/use-other-tools.md").blocks
    for package in ("mlflow", "wandb")
    if f"import {package}\n" in block.content
}


class Tool:
    """What both recipes call of their package."""

    def __init__(self) -> None:
        self.logged: list[tuple[int, dict[str, float]]] = []

    @contextmanager
    def start_run(self, *, run_name: str) -> Iterator[None]:
        yield

    @contextmanager
    def init(self, *, project: str, name: str) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(log=self.log_metrics)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        self.logged.append((step, dict(metrics)))


def test_both_recipes_are_there() -> None:
    assert {*RECIPES} == {"mlflow", "wandb"}


@pytest.mark.parametrize("package", RECIPES)
def test_a_recipe_hands_over_every_number(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--objectives", "macs,params", "--population", "6", "--generations", "2"]
    run.main([*words, "--log-json", "log.jsonl"])
    Path("recipe.py").write_text(RECIPES[package])
    tool = Tool()
    monkeypatch.setitem(sys.modules, package, tool)
    runpy.run_path("recipe.py")
    lines = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]
    assert [step for step, _ in tool.logged] == [6, 12]
    for (_, numbers), line in zip(tool.logged, lines, strict=True):
        assert numbers["hypervolume"] == line["hypervolume"]
        assert numbers["front_size"] == line["front_size"]
        assert "study" not in numbers
