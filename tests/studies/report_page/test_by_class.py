"""Accuracy by class in reports: files of `studies.validate`, and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from studies.analysis.contenders import Contender
from studies.report_page.by_class import ByClassError, add_by_class, read_by_class
from studies.report_page.html import page
from studies.report_page.records import ReportRecord
from studies.report_page.report_data import Reported, report_record
from studies.storage.store import open_store

FIGURES = {
    "balanced_accuracy": 62.5,
    "majority_baseline": 80.0,
    "recall": {"cat": 25.0, "dog": 100.0},
    "images": {"cat": 1, "dog": 4},
    "never_predicted": [],
    "confusion": [[0, 1], [0, 4]],
}


@pytest.fixture
def record(report_database: Path) -> ReportRecord:
    with open_store(report_database) as store:
        study, evaluations = store.study("one"), tuple(store.evaluations("one"))
    return report_record([Reported(Contender("other.db:one", study, evaluations), report_database)])


@pytest.fixture
def write(tmp_path: Path, record: ReportRecord) -> Callable[..., Path]:
    """Writes a file of `studies.validate` about the first network."""
    rows = record["studies"][0]["rows"]
    genotype = list(map(int, rows["genotype"][0].split(",")))
    subnet = {"id": rows["id"][0], "genotype": genotype, "by_class": FIGURES}

    def file(study: str = "one", **changes: Any) -> Path:
        path = tmp_path / "validated.json"
        path.write_text(json.dumps({"study": study, "split": "test", "subnets": [subnet | changes]}))
        return path

    return file


def test_figures_reach_the_networks_that_were_scored(
    record: ReportRecord, write: Callable[..., Path]
) -> None:
    add_by_class(record, read_by_class([write()]))
    classes = record["studies"][0]["classes"]
    assert classes == {
        "split": "test",
        "names": ["cat", "dog"],
        "images": [1, 4],
        "majority": 80.0,
        "rows": {0: {"recall": [25.0, 100.0], "balanced": 62.5, "never": [], "confusion": [[0, 1], [0, 4]]}},
    }
    assert '"majority":80.0' in page(record)


def test_many_classes_have_no_confusion(record: ReportRecord, write: Callable[..., Path]) -> None:
    figures = {name: value for name, value in FIGURES.items() if name != "confusion"}
    add_by_class(record, read_by_class([write(by_class=figures)]))
    classes = record["studies"][0]["classes"]
    assert classes is not None
    assert classes["rows"][0]["confusion"] is None


@pytest.mark.parametrize(
    ("study", "changes", "message"),
    [
        ("two", {}, "belongs to study 'two', but the report holds other.db:one"),
        ("one", {"id": 99}, "id 99 is another network in study 'other.db:one'"),
        ("one", {"genotype": [1]}, "id 0 is another network"),
    ],
)
def test_figures_of_others_are_refused(
    study: str, changes: dict[str, Any], message: str, record: ReportRecord, write: Callable[..., Path]
) -> None:
    with pytest.raises(ByClassError, match=message):
        add_by_class(record, read_by_class([write(study, **changes)]))


@pytest.mark.parametrize(
    "text", ["{", "[1]", "{}", '{"study": "a", "split": "test", "subnets": [{"id": 1}]}']
)
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(
        ByClassError, match=r"x\.json: (is no JSON file|holds no figures by class); write it by"
    ):
        read_by_class([path])


def test_what_is_no_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(ByClassError, match="is not a regular file but a folder; write it by"):
        read_by_class([tmp_path])
    with pytest.raises(ByClassError, match=r"x\.json does not exist; write it by"):
        read_by_class([tmp_path / "x.json"])
    if hasattr(os, "mkfifo"):
        os.mkfifo(fifo := tmp_path / "fifo")
        with pytest.raises(ByClassError, match="is not a regular file but a FIFO; write it by"):
            read_by_class([fifo])
