"""Weight stores: costs by hand, the same store on both sides of a comparison, one-line errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from objectives.hardware import CostModel, Op, load_soc, variant
from objectives.hardware.parts.weight_store import WeightStore
from objectives.hardware.soc import SoC, with_value
from search_space.errors import DocumentError, UnknownNameError

LINEAR = Op("linear", 1, 1, 64, 64)
SIZE = 64 * 64 * 0.9 + 10 * 64 + 16
"""Bytes of its encoded weights and scales."""
PAIRS = {
    "u55-256-cim1": "u55-256",
    "u55-256-cim8": "u55-256",
    "u55-256-cim8x4": "u55-256",
    "u55-256-cim8-no-heads": "u55-256",
    "u55-256-tiles8": "u55-256",
    "u55-256-flash-cim8": "u55-256-flash",
    "u55-256-background-cim8": "u55-256-background",
}
"""Chips with macros, and the chip without that each is compared with."""


def store_of(soc: SoC) -> WeightStore:
    store = soc.memory.weight_store
    assert store is not None
    return store


@pytest.mark.parametrize(
    ("name", "bandwidth", "picojoules", "hops", "leakage"),
    [
        ("u55-256", 4, 1.84, 1, 4 * 0.21),
        ("u55-256-background", 2, 20, 2, 4 * 0.21),
        ("u55-256-flash", 1, 633, 2, 64 * 0.0005),
    ],
)
def test_costs_by_hand(name: str, bandwidth: float, picojoules: float, hops: int, leakage: float) -> None:
    """One row of a linear layer waits for its weights, which it reads once, in place."""
    soc = load_soc(name)
    op = CostModel(soc).network([LINEAR]).ops[0]
    assert op.mram_bytes == pytest.approx(SIZE)
    assert op.mram_pj == pytest.approx(SIZE * picojoules, abs=1e-3)
    assert op.noc_pj == pytest.approx(SIZE * hops * 0.3, abs=1e-3)
    assert op.cycles == pytest.approx(SIZE / bandwidth, abs=1)
    milliwatts = 1 + 0.53 + leakage  # NPU, 1 MiB of SRAM, store
    assert op.static_pj == pytest.approx(op.cycles * milliwatts * 2, rel=1e-6)  # 1 mW for 2 ns
    assert op.energy_pj == pytest.approx(
        op.mac_pj + op.sram_pj + op.mram_pj + op.noc_pj + op.static_pj, rel=1e-12
    )


def test_weights_that_are_read_twice_are_copied_unless_they_lie_next_to_the_npu() -> None:
    """A map of many blocks needs its weights anew for each block of positions."""
    op = Op("conv2d", 32, 32, 64, 64, 3)
    reads = {name: CostModel(load_soc(name)).network([op]).ops[0] for name in ("u55-256", "u55-256-flash")}
    in_place, copied = reads.values()
    encoded = copied.mram_bytes
    assert in_place.mram_bytes / encoded == pytest.approx(round(in_place.mram_bytes / encoded))
    assert in_place.mram_bytes >= 2 * encoded
    # Each copy is written once and read as often as it would be in place.
    assert copied.sram_bytes - in_place.sram_bytes == pytest.approx(encoded + in_place.mram_bytes, abs=2)


def test_the_file_decides_about_copies_over_the_kind(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("base: u55-256-flash\nname: mine\nnpu: {buffers_weights: false}\n")
    assert load_soc("u55-256-flash").npu.buffers_weights
    assert not load_soc(str(path)).npu.buffers_weights


@pytest.mark.parametrize(("name", "base"), PAIRS.items())
def test_both_sides_of_a_comparison_have_the_same_store(name: str, base: str) -> None:
    with_macros, alone = load_soc(name), load_soc(base)
    assert with_macros.memory == alone.memory
    assert with_macros.npu == alone.npu
    assert variant(with_macros, macros=0).digest == alone.digest
    on_npu = CostModel(with_macros, "npu").network([LINEAR]).ops[0]
    other = CostModel(alone).network([LINEAR]).ops[0]
    assert (on_npu.mram_pj, on_npu.noc_pj, on_npu.cycles) == (other.mram_pj, other.noc_pj, other.cycles)


def test_a_changed_number_reaches_the_npu() -> None:
    soc = with_value(load_soc("u55-256-flash-cim8"), "memory.weight_store.bandwidth", 0.5)
    assert soc.npu.machine.weights == 0.5
    assert soc.digest != load_soc("u55-256-flash-cim8").digest
    farther = with_value(load_soc("u55-256"), "memory.weight_store.hops", 2)
    assert CostModel(farther).network([LINEAR]).ops[0].noc_pj == pytest.approx(SIZE * 2 * 0.3, abs=1e-3)


def number(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "low": value, "high": value, "source": "a test"}


@pytest.mark.parametrize(
    ("store", "message"),
    [
        ({"kind": "tape"}, r"unknown memory\.weight_store\.kind 'tape': must be one of mram, background"),
        ({"kind": "flash"}, r"weight_store\.area: must be absent or 0 for kind 'flash'.*but got 4\.46"),
        ({"capacity": number(-1, "MiB")}, r"weight_store\.capacity\.low: must be positive, but got -1"),
        ({"capacity": number(0, "MiB")}, r"weight_store\.capacity\.low: must be positive, but got 0"),
        ({"capacity": 4}, r"weight_store\.capacity: a number needs unit, range and source, but got 4"),
        (
            {"bandwidth": number(0.5, "GiB/s")},
            r"weight_store\.bandwidth\.unit: must be 'B/cycle' or 'GB/s' or 'MB/s', but got 'GiB/s'",
        ),
        (
            {"hops": {"value": 1, "low": 1, "high": 1, "source": "x"}},
            r"weight_store\.hops\.unit: this key is missing",
        ),
        ({"leakage": number(-0.1, "mW/MiB")}, r"weight_store\.leakage\.low: must be at least 0"),
        ({"write_energy": None}, r"weight_store\.write_energy: this key is missing"),
        ({"speed": number(1, "B/cycle")}, r"memory\.weight_store: unknown key 'speed'; the keys are kind, "),
    ],
)
def test_mistakes_are_named_in_one_line(tmp_path: Path, store: dict[str, Any], message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"base": "u55-256", "name": "mine", "memory": {"weight_store": store}}))
    with pytest.raises((DocumentError, UnknownNameError), match=message) as caught:
        load_soc(str(path))
    assert "\n" not in str(caught.value)


def test_new_store_must_be_complete(tmp_path: Path) -> None:
    data = load_soc("u55-256").to_dict()
    del data["memory"]["weight_store"]["hops"]
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(DocumentError, match=r"memory\.weight_store\.hops: this key is missing"):
        load_soc(str(path))
