"""Closed form of the NPU against Arm's compiler, on ops outside the fit.

The tables hold the cycles that Vela 5.2.0 gives an op between two 1x1 layers, weights Gaussian and in on-chip
MRAM at 4 B/cycle: `vela_layers.csv` 160 convolutions, depthwise and linear layers from before the model's
last terms, `benchmarks/hardware/npu_held_out.csv` 300 ops of every kind, drawn with a seed of its own.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objectives.hardware import Op, load_soc
from search_space.arrays import Floats

FIELDS = ("height", "width", "in_channels", "out_channels", "kernel", "stride", "heads")
LAYERS = Path(__file__).parent / "vela_layers.csv"
HELD_OUT = Path(__file__).parents[3] / "benchmarks" / "hardware" / "npu_held_out.csv"


def table(file: Path) -> tuple[list[Op], dict[str, Floats]]:
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    ops = []
    for row in rows:
        numbers: dict[str, Any] = {name: int(row[name]) for name in FIELDS}
        ops.append(Op(row["kind"], **numbers, fused_gelu=bool(int(row.get("fused_gelu", 0)))))
    cycles = {
        f"u55-{macs}": np.array([float(row[f"u55_{macs}"]) for row in rows], dtype=np.float64)
        for macs in (128, 256)
    }
    return ops, cycles


def spearman(a: Floats, b: Floats) -> float:
    """Rank correlation; ties are too few to matter."""
    first, second = (np.argsort(np.argsort(values)) for values in (a, b))
    return float(np.corrcoef(first, second)[0, 1])


@pytest.mark.parametrize(
    ("file", "count", "name", "most_error", "least_correlation"),
    [
        (HELD_OUT, 300, "u55-128", 0.005, 0.9995),
        (HELD_OUT, 300, "u55-256", 0.005, 0.9995),
        (LAYERS, 160, "u55-128", 0.005, 0.9995),
        (LAYERS, 160, "u55-256", 0.005, 0.9995),
    ],
    ids=lambda value: value.stem if isinstance(value, Path) else None,
)
def test_follows_the_compiler(
    file: Path, count: int, name: str, most_error: float, least_correlation: float
) -> None:
    ops, cycles = table(file)
    modelled, expected = load_soc(name).npu.cycles(ops), cycles[name]
    error = np.abs(modelled - expected) / expected
    assert len(ops) == count
    assert error.mean() <= most_error
    assert np.median(error) <= 0.002
    assert spearman(modelled, expected) >= least_correlation
    assert modelled.sum() == pytest.approx(expected.sum(), rel=0.01)
