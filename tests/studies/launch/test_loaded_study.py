from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas
import pytest

from search_space.errors import H4HError, UnknownNameError
from search_space.space import Space
from studies import load_study
from studies.samplers import virtual_search
from studies.storage.database_file import StoreError
from studies.storage.store import create_store
from studies.study.evaluation import Evaluation
from studies.study.study import Study

Make = Callable[..., Evaluation]
NOTEBOOK = Path(__file__).parents[3] / "docs" / "notebook.ipynb"
FEWER = {"val_images=500": "val_images=50", "calibration_images=256": "calibration_images=32"}
"""Settings of the notebook, and those that the test runs it with: they change accuracies alone."""


@pytest.fixture
def database(tmp_path: Path, tiny: Space, study: Study, evaluation: Make) -> Path:
    path = tmp_path / "studies.db"
    genotypes = [tiny.smallest(), tiny.largest(), *list(tiny.neighbours(tiny.largest()))[:2]]
    values = [(50.0, 1.0), (80.0, 2.0), (40.0, 3.0), (None, 9.0)]
    rows = [
        replace(evaluation(index, *pair), genotype=genes)
        for index, (pair, genes) in enumerate(zip(values, genotypes, strict=True))
    ]
    with create_store(path) as store:
        store.add(replace(study, name="<b>first</b>", space_definition=tiny.to_dict()))
        store.append("<b>first</b>", rows)
    return path


def test_records_for_pandas(database: Path) -> None:
    loaded = load_study(str(database), "<b>first</b>")
    table = pandas.DataFrame(loaded.evaluations())
    assert table["acc"].tolist()[:3] == [50, 80, 40]
    assert table["acc"].isna().tolist() == [False, False, False, True]
    assert [record["id"] for record in loaded.front()] == [1, 0]
    assert loaded.front()[0] == loaded.evaluations()[1]
    assert loaded.hypervolume == pytest.approx(0.5 * 0.1 + 0.8 * 0.8)
    assert repr(loaded) == (
        "<study '<b>first</b>': 4 evaluations of acc, lat over space tiny, front of 2, hypervolume 0.6900>"
    )


def test_a_data_frame_needs_pandas_and_says_so(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_study(database, "<b>first</b>")
    assert loaded.to_frame()["lat"].tolist() == [1, 2, 3, 9]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(H4HError, match="pip install pandas"):
        loaded.to_frame()


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_html_shows_the_front_and_escapes_names(database: Path) -> None:
    parser = _Text()
    parser.feed(load_study(database, "<b>first</b>")._repr_html_())
    assert "b" not in parser.tags
    assert parser.tags.count("tr") == 3
    assert parser.text[1:7] == ["id", "acc %", "lat ms", "conv", "ViT", "family"]
    assert parser.text[7:10] == ["1", "80.00", "2.000"]


def test_what_is_not_there(database: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError):
        load_study(database, "second")
    with pytest.raises(StoreError, match="does not exist"):
        load_study(tmp_path / "no.db", "first")


@pytest.mark.slow
def test_the_example_runs_and_shows_what_it_showed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(virtual_search, "CANDIDATES", 3000)  # Its repr and columns say nothing of the draws.
    mpl.use("agg")
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {}
    for cell in cells:
        source = "".join(cell["source"])
        for setting, smaller in FEWER.items():
            assert setting in source or cell is not cells[0]
            source = source.replace(setting, smaller)
        code = ast.parse(source)
        shown = [output for output in cell["outputs"] if output["output_type"] == "execute_result"]
        last = code.body.pop() if shown else None
        exec(compile(code, "notebook", "exec"), names)
        if not isinstance(last, ast.Expr):
            continue
        value = eval(compile(ast.Expression(last.value), "notebook", "eval"), names)
        expected = "".join(shown[0]["data"]["text/plain"])
        if isinstance(value, pandas.DataFrame):
            assert [str(column) for column in value.columns] == expected.splitlines()[0].split()
        else:
            # Accuracies depend on how a machine rounds, and the front on them.
            assert repr(value).split(", front of")[0] == expected.split(", front of")[0]
