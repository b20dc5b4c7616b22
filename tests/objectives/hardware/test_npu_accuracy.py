"""The closed form against Arm's compiler, on 160 layers that had no part in fitting it.

`vela_layers.csv` holds the cycles that Vela 5.2.0 gives the middle op of a network of three int8 ops (1x1,
the layer, 1x1; linear layers between linear layers), weights Gaussian and in on-chip MRAM at 4 B/cycle.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from objectives.hardware import Op, load_soc
from objectives.hardware.op import FloatArray

FIELDS = ("height", "width", "in_channels", "out_channels", "kernel", "stride", "heads")


def table() -> tuple[list[Op], dict[str, FloatArray]]:
    with (Path(__file__).parent / "vela_layers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    ops = []
    for row in rows:
        height, width, in_channels, out_channels, kernel, stride, heads = (int(row[name]) for name in FIELDS)
        ops.append(Op(row["kind"], height, width, in_channels, out_channels, kernel, stride, heads))
    cycles = {
        f"u55-{macs}": np.array([float(row[f"u55_{macs}"]) for row in rows], dtype=np.float64)
        for macs in (128, 256)
    }
    return ops, cycles


def spearman(a: FloatArray, b: FloatArray) -> float:
    """Rank correlation; ties are too few to matter."""
    first, second = (np.argsort(np.argsort(values)) for values in (a, b))
    return float(np.corrcoef(first, second)[0, 1])


@pytest.mark.parametrize(("name", "most_error"), [("u55-128", 0.08), ("u55-256", 0.10)])
def test_follows_the_compiler(name: str, most_error: float) -> None:
    ops, cycles = table()
    modelled, expected = load_soc(name).npu.cycles(ops), cycles[name]
    error = np.abs(modelled - expected) / expected
    assert len(ops) == 160
    assert error.mean() <= most_error
    assert np.median(error) <= 0.05
    assert spearman(modelled, expected) >= 0.99
    assert modelled.sum() == pytest.approx(expected.sum(), rel=0.03)
