"""In-array tiles against ZigZag (zigzag-dse 3.9.1): beats of layers that fit into the tiles.

The committed answers are total temporal cycles without memory stalls, in activations of an array of 128
rows and 32 columns, one tile at a time, from its digital in-memory example. Kernels are laid so that a
window never straddles two tiles, which ZigZag cannot express.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objectives.hardware import Op, load_soc
from objectives.hardware.op import OpArrays
from objectives.hardware.parts.cim import InArray

SOC = load_soc("u55-256-tiles8")
assert isinstance(SOC.cim, InArray)
ARRAY: InArray = replace(SOC.cim, port_bandwidth=replace(SOC.cim.port_bandwidth, value=1e12, high=1e12))
ROWS = list(csv.DictReader((Path(__file__).parent / "zigzag_beats.csv").open()))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "x".join(row.values()))
def test_ideal_cycles_equal_zigzag(row: dict[str, str]) -> None:
    names = ("height", "width", "in_channels", "out_channels", "kernel")
    numbers: dict[str, Any] = {name: int(row[name]) for name in names}
    op = OpArrays.of([Op("conv2d", **numbers)])
    beat = ARRAY.beat_time.value * 500 * 1e-3
    cycles = ARRAY.cost(op, np.array([1.0]), 500).cycles[0]
    assert cycles / beat - 1 == pytest.approx(float(row["beats"]))  # less the beat that fills the pipeline


def test_enough_layers() -> None:
    assert len(ROWS) >= 20
