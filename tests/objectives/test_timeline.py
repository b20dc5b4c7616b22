"""Timeline of a network: bars lie within their ops, and charts in every format."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from objectives.hardware import CostModel, load_soc
from objectives.profile import main
from objectives.timeline import LANES, LEAST_GAP, MOST_NAMES, bars, figure_of, name_longest
from objectives.workload import ops_of, read_again, workload
from search_space.space import load_space

SPACE = load_space("cifar32")


@pytest.mark.parametrize(
    ("name", "begin"), [("chart.png", b"\x89PNG"), ("chart.svg", b"<?xml"), ("chart.pdf", b"%PDF")]
)
def test_every_format(tmp_path: Path, name: str, begin: bytes) -> None:
    main(["--subnet", "min", "--json", "--plot", str(tmp_path / name)])
    assert (tmp_path / name).read_bytes().startswith(begin)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_bars_lie_within_their_op_and_carry_its_cycles() -> None:
    steps = workload(SPACE.decode(SPACE.smallest()))
    cost = CostModel(load_soc("u55-256-cim8")).network(ops_of(steps), read_again(steps))
    for op in cost.ops:
        drawn = bars(op, 100.0)
        assert all(lane in LANES for lane, _, _ in drawn)
        assert all(start >= 100 and start + length <= 100 + op.cycles for _, start, length in drawn)
        busy = {lane: sum(length for other, _, length in drawn if other == lane) for lane in LANES}
        assert busy["NPU"] == op.npu_cycles + op.tail_cycles
        assert (busy["macros"], busy["NoC"]) == (op.cim_cycles, op.transfer_cycles)


def test_ticks_of_rooflines_are_plain_numbers() -> None:
    steps = workload(SPACE.decode(SPACE.smallest()))
    costs = CostModel(load_soc("u55-256-cim8"))
    figure = figure_of(steps, costs.network(ops_of(steps), read_again(steps)), costs)
    logarithmic = [axis for axis in figure.axes if axis.get_xscale() == "log"]
    figure.canvas.draw()
    assert logarithmic
    for axis in logarithmic:
        labels = [
            label.get_text()
            for ticks in (axis.xaxis, axis.yaxis)
            for label in (*ticks.get_majorticklabels(), *ticks.get_minorticklabels())
            if label.get_text()
        ]
        assert labels
        assert all(float(label) > 0 for label in labels)


def test_names_of_ops_stand_above_all_bars_and_apart() -> None:
    axis = Figure().subplots()
    names = [f"op{index}" for index in range(30)]
    lengths = [20.0, *[1.0] * 28, 30.0]  # 78 in all, so names of neighbours that last 1 touch each other
    starts = [0.0, *(20.0 + index for index in range(28)), 48.0]
    heights = [5.0, *[1.0] * 28, 2.0]
    name_longest(axis, names, starts, lengths, heights)
    texts = axis.texts
    assert [text.get_text() for text in texts[:2]] == ["op29", "op0"]
    assert 2 < len(texts) <= MOST_NAMES
    places = sorted(text.xy for text in texts)  # type: ignore[attr-defined]
    assert all(height > max(heights) for _, height in places)
    gaps = [right - left for (left, _), (right, _) in pairwise(places)]
    assert min(gaps) >= LEAST_GAP * 78
    assert axis.get_ylim()[1] > max(height for _, height in places)
