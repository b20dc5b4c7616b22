from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from objectives import profile
from objectives.describe import main as describe
from objectives.hardware import CostModel, load_soc, variant
from objectives.hardware.measured_share import (
    CIM_CYCLES,
    CIM_ENERGY,
    NPU_CYCLES,
    NPU_ENERGY,
    measured_origins,
    shares_by_origin,
    shares_text,
    unused_rows_notes,
)
from objectives.hardware.measurements.measured_costs import Origin
from objectives.hardware.op import Op, OpArrays
from objectives.workload import ops_of, read_again, workload
from search_space.space import load_space

SPACE = load_space("cifar32")
SMALLEST = SPACE.decode(SPACE.smallest())


@pytest.fixture
def chip(tmp_path: Path) -> str:
    """A chip without macros of which two ops of the smallest network were measured."""
    (tmp_path / "npu.csv").write_text(
        "kind,height,width,in_channels,out_channels,kernel,stride,cycles\n"
        "conv2d,24,24,3,16,3,1,20000\ndepthwise,24,24,16,16,3,2,4000\n"
    )
    path = tmp_path / "mine.yaml"
    path.write_text("base: u55-256\nname: mine\ndescription: own\nnpu: {table: npu.csv}\n")
    return str(path)


def test_measured_ops_have_their_cycles_and_say_so(chip: str) -> None:
    model, steps = CostModel(load_soc(chip)), workload(SMALLEST)
    cost = model.network(ops_of(steps), read_again(steps))
    by_name = dict(zip((step.name for step in steps), cost.ops, strict=True))
    assert by_name["stem"].npu_cycles == 20000
    assert by_name["stage1.downsampling.depthwise"].npu_cycles == 4000
    origins = measured_origins(model, ops_of(steps), cost.ops)
    assert list(origins) == [NPU_CYCLES]
    named = dict(zip((step.name for step in steps), origins[NPU_CYCLES].of_ops, strict=True))
    assert named["stem"] is named["stage1.downsampling.depthwise"] is Origin.MEASURED
    assert named["head.pool"] is Origin.MODELLED
    # It reads more channels than the one convolution that was measured.
    assert named["stage2.downsampling"] is Origin.EXTRAPOLATED
    shares = origins[NPU_CYCLES].shares
    assert sum(shares.values()) == pytest.approx(1)
    total = sum(each.npu_cycles for each in cost.ops)
    assert shares[Origin.MEASURED] == pytest.approx(24000 / total)
    assert f"{24000 / total:.0%} measured" in shares_text(shares)


def test_a_chip_without_a_table_has_no_origins() -> None:
    model, steps = CostModel(load_soc("u55-256")), workload(SMALLEST)
    assert measured_origins(model, ops_of(steps), model.network(ops_of(steps)).ops) == {}
    assert shares_text(shares_by_origin([], [])) == ""


def test_profile_and_describe_tell_it(chip: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--hardware", chip, "--subnet", "min"]
    profile.main(arguments)
    out = capsys.readouterr().out
    assert "NPU cycles from" in out
    assert "% measured" in out
    profile.main([*arguments, "--json"])
    ops = json.loads(capsys.readouterr().out)["ops"]
    assert ops[0]["npu_cycles_from"] == "measured"
    profile.main(["--subnet", "min", "--json"])
    assert "npu_cycles_from" not in json.loads(capsys.readouterr().out)["ops"][0]
    describe(["--hardware", chip])
    out = capsys.readouterr().out
    assert "npu.table: 2 measured ops" in out
    assert "error unknown from one op" in out


def measured_macros(tmp_path: Path, rows: str) -> CostModel:
    """The cost model of a chip whose macros were measured; the mapping is that of a network in the macros."""
    header = "kind,height,width,in_channels,out_channels,kernel,macros,cycles,pJ"
    (tmp_path / "cim.csv").write_text(f"{header}\n{rows}\n")
    path = tmp_path / "hybrid.yaml"
    path.write_text("base: u55-256-cim8\nname: hybrid\ndescription: own\ncim: {table: cim.csv}\n")
    return CostModel(load_soc(str(path)), "cim")


def test_macros_take_their_measured_time_and_energy(tmp_path: Path) -> None:
    op = Op("conv2d", 8, 8, 32, 64, kernel=3)
    plain = CostModel(load_soc("u55-256-cim8"), "cim").network([op]).ops[0]
    model = measured_macros(tmp_path, f"conv2d,8,8,32,64,3,{plain.macros},{2 * plain.cim_cycles},5000")
    (cost,) = model.network([op]).ops
    assert cost.macros == plain.macros
    assert cost.cim_cycles == 2 * plain.cim_cycles
    # Transfers and what they read and write in SRAM and buffers are as before.
    before = _device_pj(op, plain.macros)
    moved = plain.mac_pj + plain.sram_pj + plain.mram_pj - before
    assert cost.mac_pj + cost.sram_pj + cost.mram_pj - moved == pytest.approx(5000, abs=0.01)
    assert cost.mac_pj == pytest.approx(plain.mac_pj * 5000 / before, abs=0.01)
    assert (cost.noc_pj, cost.transfer_cycles) == (plain.noc_pj, plain.transfer_cycles)
    origins = measured_origins(model, [op], [cost])
    assert origins[CIM_CYCLES].of_ops == origins[CIM_ENERGY].of_ops == (Origin.MEASURED,)
    assert origins[CIM_ENERGY].values.tolist() == [5000]
    # Another shape is scaled by the same factors.
    other = Op("conv2d", 8, 8, 32, 48, kernel=3)
    (scaled,) = model.network([other]).ops
    (modelled,) = CostModel(load_soc("u55-256-cim8"), "cim").network([other]).ops
    assert scaled.macros == modelled.macros
    assert scaled.cim_cycles == pytest.approx(2 * modelled.cim_cycles)
    assert scaled.mac_pj == pytest.approx(modelled.mac_pj * 5000 / before, abs=0.01)
    assert measured_origins(model, [other], [scaled])[CIM_CYCLES].of_ops == (Origin.INTERPOLATED,)


def _device_pj(op: Op, macros: int) -> float:
    """Energy of arithmetic, weight reads and buffers by the closed form."""
    soc = load_soc("u55-256-cim8")
    assert soc.cim is not None
    cost = soc.cim.cost(OpArrays.of([op]), np.array([float(macros)]), soc.clock_mhz)
    return float(cost.mac_pj[0] + cost.read_pj[0] + cost.buffer_pj[0])


def test_a_table_that_repeats_the_closed_form_changes_nothing(tmp_path: Path) -> None:
    """All costs of networks, whatever their mapping, with measurements equal to the model."""
    op, plain = Op("conv2d", 8, 8, 32, 64, kernel=3), CostModel(load_soc("u55-256-cim8"))
    soc = plain.soc
    assert soc.cim is not None
    cost = soc.cim.cost(OpArrays.of([op]), np.array([8.0]), soc.clock_mhz)
    energy = _device_pj(op, 8)
    model = measured_macros(tmp_path, f"conv2d,8,8,32,64,3,8,{cost.cycles[0]},{energy}")
    model = CostModel(model.soc)
    for subnet in (SMALLEST, SPACE.decode(SPACE.largest())):
        steps = workload(subnet)
        ours, theirs = (each.network(ops_of(steps), read_again(steps)) for each in (model, plain))
        assert ours.latency_ms == pytest.approx(theirs.latency_ms, rel=1e-6)
        assert ours.energy_mj == pytest.approx(theirs.energy_mj, rel=1e-6)


def test_the_energy_of_the_npu_follows_its_table(tmp_path: Path) -> None:
    op, plain = Op("conv2d", 24, 24, 3, 16, kernel=3), CostModel(load_soc("u55-256"))
    before = float(plain.soc.npu_energy_pj(OpArrays.of([op]))[0])
    (cost,) = plain.network([op]).ops
    assert cost.mac_pj + cost.sram_pj + cost.mram_pj + cost.noc_pj == pytest.approx(before, abs=0.01)
    (tmp_path / "npu.csv").write_text(
        f"kind,height,width,in_channels,out_channels,kernel,cycles,pJ\n"
        f"conv2d,24,24,3,16,3,{cost.npu_cycles},{3 * before}\n"
    )
    path = tmp_path / "mine.yaml"
    path.write_text("base: u55-256\nname: mine\ndescription: own\nnpu: {table: npu.csv}\n")
    model = CostModel(load_soc(str(path)))
    (measured,) = model.network([op]).ops
    assert measured.mac_pj == pytest.approx(3 * cost.mac_pj, abs=0.01)
    assert measured.sram_pj == pytest.approx(3 * cost.sram_pj, abs=0.01)
    assert measured.mram_pj == pytest.approx(3 * cost.mram_pj, abs=0.01)
    assert measured.noc_pj == pytest.approx(3 * cost.noc_pj, abs=0.01)
    assert (measured.static_pj, measured.cycles) == (cost.static_pj, cost.cycles)
    assert list(measured_origins(model, [op], [measured])) == [NPU_CYCLES, NPU_ENERGY]


@pytest.mark.parametrize(
    ("rows", "macros", "expected"),
    [
        (("8,1", "4,1"), 8, None),
        (("8,1", "16,1"), 8, ("1 of 2", "16 macros of 1 unit", "1, 2, 4, 8 of 1", " --macros 16")),
        (("8,1", "8,4"), 8, ("1 of 2", "8 macros of 4 units", "1, 2, 4, 8 of 1", " --units 4")),
        (("8,1", "16,1"), 16, None),
        (("3,1", "1,2"), 2, ("2 of 2", "1 macro of 2 units, 3 macros of 1 unit", "1, 2 of 1", " --macros 3")),
    ],
)
def test_macros_that_the_chip_does_not_use_are_noted(
    tmp_path: Path, rows: tuple[str, ...], macros: int, expected: tuple[str, ...] | None
) -> None:
    lines = [f"linear,1,1,256,{10 + number},{row},50" for number, row in enumerate(rows)]
    header = "kind,height,width,in_channels,out_channels,macros,units,cycles"
    (tmp_path / "cim.csv").write_text("\n".join([header, *lines]))
    path = tmp_path / "mine.yaml"
    path.write_text("base: u55-256-cim8\nname: mine\ndescription: own\ncim: {table: cim.csv}\n")
    soc = variant(load_soc(str(path)), macros=macros)
    notes = unused_rows_notes(soc)
    if expected is None:
        assert notes == []
        return
    share, layouts, uses, changes = expected
    assert notes == [
        f"note: {share} ops in cim.table were measured with {layouts}; {soc.name} uses {uses}, so they only "
        f"scale other ops of their kind; try{changes}"
    ]


def test_a_chip_without_a_table_of_macros_has_no_note(chip: str) -> None:
    assert unused_rows_notes(load_soc(chip)) == []
    assert unused_rows_notes(load_soc("u55-256-cim8")) == []
