"""Timeline of a network: bars lie within their ops, and charts in every format."""

from __future__ import annotations

from pathlib import Path

import pytest

from objectives.hardware import CostModel, load_soc
from objectives.profile import main
from objectives.timeline import LANES, bars, figure_of
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
