"""Reference pages: tables of options, file formats and names agree with the code."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from objectives.hardware.parts.cim import Cim, Digital, InArray, NearMemory
from objectives.hardware.parts.memory_and_area import Memory, PartAreas
from objectives.hardware.parts.noc import Noc
from objectives.hardware.parts.npu import Npu
from objectives.hardware.parts.sourced_number import DERIVED, Section, Unit
from objectives.hardware.parts.weight_store import WeightStore
from objectives.hardware.soc import SoC, known_socs
from objectives.registry import known_objectives
from objectives.workers.cluster_state import ClusterState
from search_space.block_options import StageOptions
from search_space.space import Space, load_space
from studies.launch.progress_log import progress_record
from studies.presentation.plain_records import rows, study_record, summary_record
from studies.samplers.registry import known_samplers
from studies.search.search_loop import Progress
from studies.storage.store import create_store
from studies.study.prediction_quality import GenerationReport
from supernet.checkpoints import built_in_checkpoint
from supernet.checkpoints.header import read_header
from supernet.network.extraction import FORMAT
from supernet.training.phases import CHOICES, Phase
from supernet.training.recipe import Recipe, known_recipes
from tests.docs import option_tables
from tests.docs.pages import PAGES, ROOT, page
from tests.studies.reports import evaluated, genotypes, make_study

COMMANDS = "docs/reference/commands"
FILES = "docs/reference/files"


def table(name: str, head: str) -> dict[str, tuple[str, ...]]:
    """Rows of all tables of a page whose first column is called `head`, by each name in the first cell."""
    return {
        each: cells[1:]
        for first, *entries in page(name).tables
        for cells in entries
        for each in cells[0].split(", ")
        if first[0] == head
    }


# --- commands ------------------------------------------------------------------------------------


def test_tables_of_options_are_those_of_the_help() -> None:
    different = [path.name for path, _ in option_tables.outdated()]
    assert different == [], "run: uv run python -m tests.docs.option_tables"


def test_every_command_has_a_page() -> None:
    packages = ("search_space", "supernet", "objectives", "studies")
    with_main = {
        f"{package}.{path.stem}"
        for package in packages
        for path in (ROOT / package).glob("*.py")
        if "run_command(main)" in path.read_text(encoding="utf-8")
    }
    assert with_main == set(option_tables.COMMANDS)
    assert {path.name for path in (ROOT / COMMANDS).glob("*.md")} == {
        option_tables.page_of(command).name for command in option_tables.COMMANDS
    }


def test_a_changed_help_text_is_noticed() -> None:
    text = option_tables.page_of("studies.show").read_text(encoding="utf-8")
    changed = text.replace("`--json`", "`--jsonl`", 1)
    assert option_tables.with_tables(changed, "studies.show") == text


TOOLS = ("npu_shapes",)
"""Benchmark commands that make data for others."""


def test_every_benchmark_is_among_the_results() -> None:
    commands = " ".join(text for _, text in page("docs/results/index.md").commands())
    benchmarks = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
        for path in sorted((ROOT / "benchmarks").rglob("*.py"))
        if "run_command(main)" in path.read_text(encoding="utf-8") and path.stem not in TOOLS
    ]
    assert [name for name in benchmarks if name not in commands] == []


# --- every page is found -------------------------------------------------------------------------


def test_every_page_is_reachable_from_the_index() -> None:
    reached: set[str] = set()
    ahead = ["docs/index.md"]
    while ahead:
        name = ahead.pop()
        if name in reached or not name.endswith(".md"):
            continue
        reached.add(name)
        for _, target in page(name).links:
            file = ((ROOT / name).parent / target.partition("#")[0]).resolve()
            if file.is_file() and file.is_relative_to(ROOT / "docs"):
                ahead.append(str(file.relative_to(ROOT)))
    assert {name for name in PAGES if name.startswith("docs/")} - reached == set()


# --- names ---------------------------------------------------------------------------------------


def test_objectives() -> None:
    assert tuple(table("docs/reference/objectives.md", "name")) == known_objectives()


def test_samplers() -> None:
    assert tuple(table("docs/reference/samplers.md", "--sampler")) == known_samplers()


def test_recipes() -> None:
    assert sorted(table(f"{FILES}/recipe.md", "recipe")) == sorted(known_recipes())


def test_chips() -> None:
    spans = {text for _, text in page(f"{COMMANDS}/objectives-describe.md").spans}
    assert set(known_socs()) <= spans


def test_python_names() -> None:
    h4h = pytest.importorskip("h4h")
    shown = [name.removeprefix("h4h.") for name in table("docs/reference/python.md", "name")]
    assert sorted(shown) == sorted(h4h.__all__)


def test_version() -> None:
    import tomllib

    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"Version {version} " in readme
    assert f"version = {{{version}}}" in readme


# --- file formats --------------------------------------------------------------------------------


def numbers_of(section: type[Section], name: str) -> Iterator[tuple[str, str]]:
    """Dotted name and unit of each entry of a section; no unit for text and tiles."""
    hints = get_type_hints(section, include_extras=True)
    for field in fields(section):  # type: ignore[arg-type]
        marks = [
            mark.name for mark in getattr(hints[field.name], "__metadata__", ()) if isinstance(mark, Unit)
        ]
        if not field.metadata.get(DERIVED):
            yield f"{name}.{field.name}", (*marks, "")[0]


def test_soc_file() -> None:
    shown = table(f"{FILES}/soc.md", "key")
    # Measurements come from the files that npu.table and cim.table name.
    expected = {field.name: "" for field in fields(SoC) if not field.name.startswith("measured_")} | {
        "base": ""
    }
    sections = (
        *(
            (Npu, "npu"),
            (Memory, "memory"),
            (WeightStore, "memory.weight_store"),
            (Noc, "noc"),
            (Cim, "cim"),
            (NearMemory, "cim"),
            (InArray, "cim"),
        ),
        *((Digital, "digital"), (PartAreas, "area")),
    )
    for section, name in sections:
        expected |= dict(numbers_of(section, name))
    assert set(shown) == set(expected)
    units = {key: cells[0] for key, cells in shown.items() if "." in key}
    assert units == {key: unit for key, unit in expected.items() if "." in key}


def test_space_file() -> None:
    shown = set(table(f"{FILES}/search-space.md", "key"))
    assert shown == {field.name for kind in (Space, StageOptions) for field in fields(kind)} | {"base"}


def default_text(value: Any) -> str:
    """A default as the page shows it."""
    if value is MISSING:
        return ""
    return "all" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def test_recipe_file() -> None:
    shown = {key: cells[0] for key, cells in table(f"{FILES}/recipe.md", "key").items()}
    expected = {field.name: default_text(field.default) for kind in (Recipe, Phase) for field in fields(kind)}
    assert shown == expected


def test_elastic_choices() -> None:
    text = " ".join((ROOT / FILES / "recipe.md").read_text(encoding="utf-8").split())
    assert f"`elastic` lists any of `{' '.join(CHOICES)}`" in text


def test_database(tmp_path: Path) -> None:
    create_store(tmp_path / "studies.db").close()
    with closing(sqlite3.connect(tmp_path / "studies.db")) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = [
            row[1]
            for name in sorted(names, key=ORDER.index)
            for row in connection.execute(f"PRAGMA table_info({name})")
        ]
        numbers = [
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        ]
    name = f"{FILES}/study-database.md"
    assert [cells[0] for _, *entries in page(name).tables for cells in entries] == columns
    text = (ROOT / name).read_text(encoding="utf-8")
    assert f"`0x{numbers[0]:08X}` and its `user_version` is {numbers[1]}" in text


ORDER = ["study", "evaluation", "generation", "software", "checksum"]


def test_records() -> None:
    name = f"{FILES}/records.md"
    space = load_space("cifar32")
    study = make_study(space, "first", ("acc", "lat", "energy"))
    evaluations = evaluated(space, study.objectives, genotypes(space, 4, 0))
    reports = [GenerationReport("surrogate", 0.5)]
    record = study_record(study, evaluations, reports, is_complete=True)
    shown = set(table(name, "key"))
    assert set(record) | set(summary_record(study, evaluations)) <= shown
    for entry in (*record["front"], *record["evaluations"]):
        assert set(entry) <= shown
    assert json.loads(json.dumps(record))["generations"][0].keys() == {
        "generation",
        "source",
        "rank_correlation",
    }
    genes = {gene.name for gene in space.genes}
    columns = set(rows(study, evaluations)[0]) - genes - set(study.objectives)
    assert columns == set(table(name, "column"))


def test_progress_log() -> None:
    progress = Progress(1, 4, 4, (), 0.5, is_generation_done=True, report=GenerationReport("surrogate", None))
    progress = replace(progress, cluster=ClusterState(1, 1, 0))
    expected = {"time", *progress_record("first", progress)}
    rows_of_search = list(table(f"{FILES}/logs.md", "key"))
    assert set(rows_of_search) == expected


def test_checkpoint_headers() -> None:
    shown = table(f"{FILES}/checkpoint.md", "key")
    header = read_header(built_in_checkpoint("cifar32"))
    text = (ROOT / FILES / "checkpoint.md").read_text(encoding="utf-8")
    assert set(header) | set(header.get("data", {})) <= set(shown)
    assert f"`{header['format']}`" in text
    assert f"`{FORMAT}`" in text


def test_a_table_is_read() -> None:
    assert table(f"{FILES}/records.md", "key")["macs"] == ("counts",)
    with pytest.raises(KeyError):
        table(f"{FILES}/records.md", "key")["on_front"]
