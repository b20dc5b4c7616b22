"""Figures of a report: which are drawn, and the positions of their marks."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest

from search_space.files.figure_file import FORMATS
from studies.report import read
from studies.report_page import figures
from studies.report_page.records import ReportRecord
from studies.report_page.report_data import report_record

pytestmark = pytest.mark.usefixtures("few_ends")


@pytest.fixture(scope="module")
def record(report_database: Path) -> ReportRecord:
    return report_record(read(["objectives6"], report_database))


def test_every_pair_with_the_accuracy(record: ReportRecord) -> None:
    figure = figures.front_figure(record)
    assert [axis.get_xlabel() for axis in figure.axes] == [
        "macs",
        "params",
        "sram, B",
        "lat, ms",
        "energy, mJ",
    ]
    assert {axis.get_ylabel() for axis in figure.axes} == {"acc, %"}
    (study,) = record["studies"]
    front = figure.axes[3].collections[-1].get_offsets()
    columns = [study["rows"]["values"][place] for place in (3, 5)]
    assert np.asarray(front) == pytest.approx(np.array(columns)[:, study["front"]].T)


def test_knee_is_what_is_mapped(record: ReportRecord) -> None:
    figure = figures.mapping_figure(record)
    assert figure is not None
    (study,) = record["studies"]
    lanes, energy = figure.axes
    knee = study["knee"]
    assert knee is not None
    assert f"subnet {study['rows']['id'][knee]} " in lanes.get_title()
    mapping = study["mappings"][knee]
    heights = sum(bar.get_height() for bar in energy.patches)  # type: ignore[attr-defined]
    assert heights == pytest.approx(mapping["energy_mj"] * 1e6, rel=1e-4)


def test_what_there_are_no_numbers_for_is_not_drawn(report_database: Path, tmp_path: Path) -> None:
    nothing = report_record(read(["infeasible"], report_database))
    assert figures.parallel_figure(nothing) is None
    assert figures.sensitivity_figure(nothing) is None
    assert figures.mapping_figure(nothing) is None
    assert [axis.get_xlabel() for axis in figures.front_figure(nothing).axes] == ["lat, ms", "energy, mJ"]
    assert figures.blocks_figure(nothing) is not None
    single = report_record(read(["objectives1"], report_database))
    assert figures.solid_figure(single) is None
    assert figures.blocks_figure(single) is None
    assert "front-3d" not in figures.save_figures(single, tmp_path)


def test_equal_numbers_make_equal_files(record: ReportRecord, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
        with matplotlib.rc_context(figures.STYLE):
            for ending in FORMATS:
                figures._save(figures.hypervolume_figure(record), folder / f"hypervolume{ending}")
    for ending in FORMATS:
        first, second = ((folder / f"hypervolume{ending}").read_bytes() for folder in folders)
        assert first == second


def test_names_are_written_as_they_are(record: ReportRecord) -> None:
    (study,) = record["studies"]
    names = ["_first", "$x$ & <b>"]
    both: ReportRecord = {
        **record,
        "studies": [{**study, "name": name} for name in names],
        "views": [{**view, "lines": view["lines"] * 2} for view in record["views"]],
    }
    figure = figures.front_figure(both)
    figure.canvas.draw()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [" _first", r"\$x\$ & <b>"]
