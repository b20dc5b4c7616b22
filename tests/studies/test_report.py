"""The command, as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search_space.command.command_line import run_command
from search_space.errors import H4HError
from search_space.files.figure_file import FORMATS
from studies import report
from tests.studies.reports import HOSTILE

pytestmark = pytest.mark.usefixtures("few_ends")

MOST_BYTES = 8_000_000


def written(database: Path, *arguments: str) -> None:
    report.main(["--db", str(database), *arguments])


def test_writes_one_file(report_database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "report.html"
    written(report_database, "one", "--out", str(out))
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert out.stat().st_size < MOST_BYTES
    said = capsys.readouterr().out
    assert f"wrote {out}" in said
    assert "note: one: gene importance needs more evaluations" in said


def test_equal_studies_make_equal_files(report_database: Path, tmp_path: Path) -> None:
    for name in ("first.html", "second.html"):
        written(report_database, "objectives3", "--out", str(tmp_path / name))
    assert (tmp_path / "first.html").read_bytes() == (tmp_path / "second.html").read_bytes()


def test_a_study_of_another_database(report_database: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    written(report_database, "one", f"{report_database}:infeasible", "--out", str(out))
    assert f"{report_database}:infeasible" in out.read_text(encoding="utf-8")


def test_numbers_without_a_page(report_database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(report_database, "objectives3", "one", "--json")
    many, one = json.loads(capsys.readouterr().out)["studies"]
    assert (many["study"], many["evaluations"]) == ("objectives3", 12)
    assert many["importance"]["evaluations"] == 12
    assert list(many["importance"]["shares"]) == many["objectives"]
    assert all(many["importance"]["shares"].values())
    assert one["importance"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a"], "nothing to write: give --out FILE.html, --plots DIR or both, or --json"),
        (["a", "--json", "--out", "r.html"], "--json prints numbers and no page: leave out --out"),
        (["a", "--json", "--by-class", "f"], "leave out --out, --plots, --beside and --by-class"),
        (["a", "--by-class", "f", "--out", "r.html"], "--by-class f does not exist; write it by"),
        (["a", "--out", "report.pdf"], "--out must end in .html, but got 'report.pdf'"),
        (["a", "--out", "missing/report.html"], "the folder missing does not exist; make it first"),
        (["a", "--out", "folder.html"], "--out folder.html is not a regular file but a folder"),
        (["a", "--plots", "missing"], "--plots missing: the folder missing does not exist; make it first"),
        (["a", "--plots", "file"], "--plots file: the folder file is a file"),
        (["empty", "--out", "report.html"], "study 'empty' has no evaluations yet: run it, or leave it out"),
        (["a", "a", "--out", "report.html"], "study 'a' is named twice"),
        (["b", "--out", "report.html"], "unknown study 'b': must be one of a, "),
        (
            ["a", "old", "one", "foreign", "empty", "x", "y", "--out", "r.html"],
            "at most 6 studies, but got 7",
        ),
    ],
)
def test_bad_input_leaves_nothing(
    report_database: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(SystemExit) as end:
        run_command(lambda: written(report_database, *arguments))
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.html"]


def test_missing_database(tmp_path: Path) -> None:
    with pytest.raises(H4HError, match="does not exist"):
        written(tmp_path / "none.db", "a", "--out", str(tmp_path / "report.html"))


def test_folder_that_cannot_be_written(
    report_database: Path,
) -> None:
    for option, path in (("--out", "/proc/report.html"), ("--plots", "/proc")):
        with pytest.raises(H4HError, match=rf"{option} {path}: no file can be made in /proc \("):
            written(report_database, "a", option, path)


def test_plots(report_database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(report_database, "objectives1", HOSTILE, "--plots", str(tmp_path))
    names = {"front", "front-3d", "hypervolume", "blocks", "importance", "parallel"}
    names |= {"sensitivity", "mapping", "rooflines"}
    assert {path.name for path in tmp_path.iterdir()} == {name + end for name in names for end in FORMATS}
    begin = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    assert all(path.read_bytes().startswith(begin[path.suffix]) for path in tmp_path.iterdir())
    assert "each as PNG, SVG and PDF" in capsys.readouterr().out
