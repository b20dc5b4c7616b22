"""Figures of gradient conflict, and the training logs they are drawn from."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from search_space.errors import H4HError
from supernet import conflict
from supernet.gradient_conflict.figures import history_figure, read_measurements, report_figure, run_names
from supernet.gradient_conflict.measurement import ConflictReport, Cosines, PairKind
from supernet.gradient_conflict.subnet_gradients import ParameterGroup
from tests.command import Command

OF_CNNS = (ParameterGroup.ALL, ParameterGroup.CONV, ParameterGroup.NORM)


def report(mean: float) -> ConflictReport:
    """All means are `mean`; CNNs have fewer groups than hybrids."""
    value = Cosines(mean=mean, standard_error=0.05, negative=0.25, count=12)
    return ConflictReport(
        subnets=2,
        batches=3,
        images=96,
        cosines={
            kind: dict.fromkeys(ParameterGroup if kind == PairKind.HYBRID_HYBRID else OF_CNNS, value)
            for kind in PairKind
        },
    )


def write_log(folder: Path, means: dict[int, float | None]) -> Path:
    """A log whose first two epochs are of phase cnn, the others of phase hybrid."""
    folder.mkdir()
    lines = []
    for epoch, mean in means.items():
        record: dict[str, object] = {"epoch": epoch, "phase": "cnn" if epoch <= 2 else "hybrid", "loss": 1.0}
        if mean is not None:
            record["conflict"] = report(mean).to_dict()
        lines.append(json.dumps(record) + "\n")
    (folder / "log.jsonl").write_text("".join(lines))
    return folder


def test_measurements_are_read_and_epochs_without_skipped(tmp_path: Path) -> None:
    folder = write_log(tmp_path / "run", {1: None, 2: 0.5, 3: None, 4: 0.25})
    found = read_measurements(folder)
    assert found == read_measurements(folder / "log.jsonl")
    assert [(each.epoch, each.phase, each.report) for each in found] == [
        (2, "cnn", report(0.5)),
        (4, "hybrid", report(0.25)),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no measurement of gradient conflict"),
        ('{"epoch": 1, "phase": "cnn"}\n', "holds no measurement of gradient conflict"),
        ('{"epoch": 1, "pha', "line 1: not a record of an epoch"),
        ("3\n", "line 1: not a record of an epoch"),
        (
            '{"epoch": 1, "phase": "cnn", "conflict": {"subnets": 2}}\n',
            "line 1: batches: this key is missing",
        ),
    ],
)
def test_damaged_logs(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "log.jsonl").write_text(text)
    with pytest.raises(H4HError, match=message):
        read_measurements(tmp_path)


def test_absent_log(tmp_path: Path) -> None:
    with pytest.raises(H4HError, match=r"none/log\.jsonl does not exist|none does not exist"):
        read_measurements(tmp_path / "none")


def test_bars_show_the_report() -> None:
    figure = report_figure(report(0.5), "title")
    above, below = figure.axes
    # A bar for each group of hybrids, and for the CNNs' groups in two more kinds.
    assert len(above.patches) == len(below.patches) == len(ParameterGroup) + 2 * len(OF_CNNS)
    assert {bar.get_height() for bar in above.patches} == {0.5}  # type: ignore[attr-defined]
    assert {bar.get_height() for bar in below.patches} == {25.0}  # type: ignore[attr-defined]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(PairKind)


def test_curves_are_means_over_seeds(tmp_path: Path) -> None:
    seeds = [
        read_measurements(write_log(tmp_path / str(number), {2: mean, 4: 0.3}))
        for number, mean in enumerate((0.4, 0.6))
    ]
    figure = history_figure({"two_phase": seeds, "joint": seeds[:1]})
    visible = {panel.get_title() for panel in figure.axes if panel.get_visible()}
    assert visible == {
        *(f"hybrid-hybrid: {group}" for group in ("all", "conv", "norm", "attention", "mlp")),
        *(f"{kind}: {group}" for kind in ("cnn-cnn", "cnn-hybrid") for group in ("all", "conv", "norm")),
    }
    curves = {str(line.get_label()): line.get_xydata() for line in figure.axes[0].lines}
    assert np.asarray(curves["two_phase"]) == pytest.approx(np.array([[2, 0.5], [4, 0.3]]))
    assert np.asarray(curves["joint"]) == pytest.approx(np.array([[2, 0.4], [4, 0.3]]))
    heights = [np.asarray(band.get_paths()[0].vertices)[:, 1] for band in figure.axes[0].collections]
    # Two seeds: 0.1 around 0.5 and nothing around 0.3; one seed: its own 0.05 around 0.4 and 0.3.
    assert [(min(each), max(each)) for each in heights] == [
        pytest.approx((0.3, 0.6)),
        pytest.approx((0.25, 0.45)),
    ]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["two_phase", "joint"]


def test_command(tmp_path: Path, command: Command) -> None:
    runs = [str(write_log(tmp_path / name, {1: 0.5, 3: 0.3})) for name in ("joint", "two_phase")]

    call = partial(command, conflict.main)
    figure = tmp_path / "figure.svg"
    assert call("--runs", *runs, "--plot", str(figure)) == (0, f"figure: {figure}\n", "")
    assert figure.read_bytes().startswith(b"<?xml")
    assert call("--runs", *runs, "--plot", "figure.jpg").code == 2
    for words, message in (
        ([runs[0], runs[0], "--plot", str(figure)], "--runs must name each run once"),
        ([str(tmp_path), "--plot", str(figure)], "does not exist"),
        ([*runs], "--runs needs --plot"),
        ([*runs, "--plot", str(figure), "--json"], "measures nothing: leave out --json"),
        ([*runs, "--plot", str(figure), "--data", "data"], "measures nothing: leave out --data"),
    ):
        code, _, text = call("--runs", *words)
        assert (code, text.count("\n")) == (2, 1)
        assert message in text


def test_names_of_runs() -> None:
    assert run_names([Path("runs/a"), Path("runs/b/log.jsonl")]) == ["a", "b"]
    assert run_names([Path("x/a"), Path("y/a")]) == ["x/a", "y/a"]
