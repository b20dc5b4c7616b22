from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from objectives.hardware import load_soc, variant
from objectives.hardware.measurements.measured_ops import (
    MeasuredOps,
    MeasurementError,
    read_measured_ops,
)
from objectives.hardware.op import Op, OpArrays
from search_space.errors import H4HError

HEADER = "kind,height,width,in_channels,out_channels,kernel,cycles"
ROW = "conv2d,16,16,32,64,3,5000"


def read(tmp_path: Path, *lines: str, macro_units: int | None = None) -> MeasuredOps:
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines) + "\n")
    return read_measured_ops(path, clock_mhz=500.0, macro_units=macro_units)


def test_times_in_cycles_and_in_microseconds(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"{HEADER},spread,source\n{ROW},12,bench\nadd,8,8,16,16,,700,,\n")
    table = read_measured_ops(path, clock_mhz=500.0)
    first, second = table.rows
    assert first.op == Op("conv2d", 16, 16, 32, 64, kernel=3)
    assert (first.cycles, first.spread, first.source, first.macros) == (5000.0, 12.0, "bench", 0)
    assert second.op == Op("add", 8, 8, 16, 16)
    assert np.isnan(second.spread)
    path.write_text(f"{HEADER.replace('cycles', 'us')},spread\n{ROW.replace('5000', '10')},0.5\n")
    (row,) = read_measured_ops(path, clock_mhz=500.0).rows
    assert (row.cycles, row.spread) == (5000.0, 250.0)  # 10 us at 500 MHz


def test_ops_are_found_whatever_their_order(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"{HEADER},heads\n{ROW},1\nlinear,64,1,32,96,1,900,3\nmatmul,16,1,8,16,1,400,4\n")
    table = read_measured_ops(path, clock_mhz=500.0)
    wanted = [
        Op("matmul", 16, 1, 8, 16, heads=4),
        Op("conv2d", 16, 16, 32, 64),
        Op("linear", 8, 8, 32, 96),  # As many tokens; a device sees no heads in a projection.
        Op("conv2d", 16, 16, 32, 64, kernel=3),
        Op("matmul", 16, 1, 8, 16, heads=2),
    ]
    assert table.find(OpArrays.of(wanted), np.zeros(5), np.zeros(5)).tolist() == [2, -1, 1, 0, -1]
    assert table.find(OpArrays.of(wanted[:1]), np.ones(1), np.zeros(1)).tolist() == [-1]


def test_the_digest_is_that_of_ops_and_times(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"

    def digest(text: str) -> str:
        path.write_text(text)
        return read_measured_ops(path, clock_mhz=500.0).digest

    first = digest(f"{HEADER}\n{ROW}\nadd,8,8,16,16,1,700\n")
    assert digest(f"{HEADER},source\nadd,8,8,16,16,1,700,x\n{ROW},y\n") == first
    assert digest(f"{HEADER}\n{ROW}\nadd,8,8,16,16,1,701\n") != first
    assert digest(f"{HEADER}\n{ROW}\n") != first


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "the table is empty"),
        ([HEADER], "no rows below its header"),
        (["kind,height"], "column 'width' is missing"),
        ([HEADER.replace(",cycles", "")], "must have one of the columns cycles and us"),
        ([HEADER + ",us"], "must have one of the columns cycles and us"),
        ([HEADER + ",energy"], "unknown column 'energy'; known are kind, height"),
        ([HEADER + ",macros"], "unknown column 'macros'; only cim.table has it"),
        ([HEADER + ",kernel"], "column 'kernel' stands twice"),
        ([HEADER, ROW.replace("conv2d", "conv")], "row 2: unknown op kind 'conv'"),
        (
            [HEADER, ROW, ROW.replace("5000", "0")],
            "row 3: cycles must be a number that is positive, but got '0'",
        ),
        ([HEADER, ROW.replace("5000", "-1")], "row 2: cycles must be a number that is positive"),
        ([HEADER, ROW.replace("5000", "nan")], "row 2: cycles must be a number that is positive"),
        ([HEADER, ROW.replace("5000", "inf")], "row 2: cycles must be a number that is positive"),
        (
            [HEADER, ROW.replace("5000", "5 ms")],
            "row 2: cycles must be a number that is positive",
        ),
        ([HEADER, ROW.replace("5000", "")], "row 2: cycles must be"),
        ([HEADER, ROW.replace("32", "3.5")], "row 2: in_channels must be a whole number, but got '3.5'"),
        ([HEADER, ROW.replace("32", "0")], "row 2: conv2d: `in_channels` must be a positive integer"),
        ([HEADER, ROW, "conv2d,16,16"], "row 3: has more or fewer cells than the header"),
        ([HEADER, ROW + ",7"], "row 2: has more or fewer cells than the header"),
        (
            [HEADER, ROW, ROW.replace("5000", "5001")],
            "row 3: conv2d 16x16x32->64 k3 has another time",
        ),
        ([HEADER + ",spread", ROW + ",-1"], "row 2: spread must be a number that is at least 0"),
        ([HEADER + ",fused_gelu", ROW + ",2"], "row 2: fused_gelu must be 0 or 1, but got 2"),
    ],
)
def test_a_bad_table_is_one_line_with_the_row(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(MeasurementError) as error:
        read(tmp_path, *lines)
    assert message in str(error.value)
    assert "table.csv" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_same_measurement_twice_is_one(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"{HEADER}\n{ROW}\n{ROW}\n")
    assert len(read_measured_ops(path, clock_mhz=500.0).rows) == 1


def test_a_table_of_macros_says_how_many(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"{HEADER},macros\n{ROW},8\n{ROW.replace('5000', '9000')},4\n")
    table = read_measured_ops(path, clock_mhz=500.0, macro_units=4)
    ops = OpArrays.of([table.rows[0].op] * 3)
    macros, units = np.array([4.0, 8.0, 2.0]), np.full(3, 4.0)
    assert table.find(ops, macros, units).tolist() == [1, 0, -1]
    assert table.find(ops, macros, units + 1).tolist() == [-1, -1, -1]
    with pytest.raises(MeasurementError, match="column 'macros' is missing"):
        read(tmp_path, HEADER, ROW, macro_units=4)


def test_a_row_may_state_other_units_and_an_energy(tmp_path: Path) -> None:
    other = ROW.replace("5000", "9000")
    table = read(tmp_path, f"{HEADER},macros,units,pJ", f"{ROW},8,,250.5", f"{other},8,2,", macro_units=4)
    assert [row.units for row in table.rows] == [4, 2]
    assert table.rows[0].picojoules == 250.5
    assert np.isnan(table.rows[1].picojoules)
    energy = table.with_energy
    assert energy is not None
    assert energy.rows == table.rows[:1]
    # The energy is part of the chip.
    changed = read(tmp_path, f"{HEADER},macros,units,pJ", f"{ROW},8,,250", f"{other},8,2,", macro_units=4)
    assert changed.digest != table.digest


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["macros", ROW + ",0"], "row 2: macros must be at least 1, but got 0"),
        (["macros,units", ROW + ",1,0"], "row 2: units must be at least 1, but got 0"),
        (["macros,units", ROW + ",1,x"], "row 2: units must be a whole number, but got 'x'"),
        (["macros", ROW + ",10000000000"], "row 2: macros must be at most 1000000000"),
        (["macros,pJ", ROW + ",1,-3"], "row 2: pJ must be a number that is positive, but got '-3'"),
        (["macros,pJ", ROW + ",1,nan"], "row 2: pJ must be a number that is positive, but got 'nan'"),
        (["macros,pJ", ROW + ",1,3", ROW + ",1,4"], "row 3: conv2d 16x16x32->64 k3 has another energy"),
        (["macros,pJ", ROW + ",1,3", ROW + ",1,"], "row 3: conv2d 16x16x32->64 k3 has another energy"),
        (
            ["macros", ROW + ",1", "add,8,8,16,16,,700,1"],
            "row 3: the macros of this chip run conv2d",
        ),
    ],
)
def test_a_bad_table_of_macros_is_one_line_with_the_row(
    tmp_path: Path, lines: list[str], message: str
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("\n".join([f"{HEADER},{lines[0]}", *lines[1:]]) + "\n")
    with pytest.raises(MeasurementError) as error:
        read_measured_ops(path, clock_mhz=500.0, macro_units=4, kinds=("conv2d",))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def chip(tmp_path: Path, section: str, name: str = "npu") -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(f"base: u55-256-cim8\nname: mine\ndescription: own\n{name}: {section}\n")
    return str(path)


def test_a_chip_file_names_its_table(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(f"{HEADER}\n{ROW}\n")
    soc = load_soc(chip(tmp_path, "{model: table, table: table.csv}"))
    assert soc.measured_npu is not None
    assert soc.measured_npu.rows[0].cycles == 5000
    plain = load_soc("u55-256-cim8")
    assert soc.npu == plain.npu
    assert soc.digest != plain.digest


@pytest.mark.parametrize(
    ("npu", "message"),
    [
        ("{table: nowhere.csv}", "does not exist; name a CSV file of measurements"),
        ("{model: table}", "npu.table: must be the path of a CSV file"),
        ("{table: 3}", "npu.table: must be the path of a CSV file"),
        ("{model: vela, table: table.csv}", "npu.model: must be 'table', or absent, but got 'vela'"),
    ],
)
def test_a_wrong_table_of_a_chip_file(tmp_path: Path, npu: str, message: str) -> None:
    (tmp_path / "table.csv").write_text(f"{HEADER}\n{ROW}\n")
    with pytest.raises(H4HError) as error:
        load_soc(chip(tmp_path, npu))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_chip_file_names_a_table_of_macros(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(f"{HEADER},macros\n{ROW},8\n")
    soc, plain = load_soc(chip(tmp_path, "{table: table.csv}", "cim")), load_soc("u55-256-cim8")
    assert soc.measured_cim is not None
    assert soc.measured_cim.rows[0].units == plain.units
    assert soc.cim == plain.cim
    assert soc.digest != plain.digest
    # Without macros the table decides nothing.
    assert variant(soc, macros=0).digest == variant(plain, macros=0).digest
    with pytest.raises(H4HError, match=r"cim.table: must be the path of a CSV file beside this one"):
        load_soc(chip(tmp_path, "{table: 3}", "cim"))
    (tmp_path / "table.csv").write_text(f"{HEADER},macros\nadd,8,8,16,16,,700,1\n")
    with pytest.raises(H4HError, match=r"row 2: the macros of this chip run conv2d, depthwise, .* got add"):
        load_soc(chip(tmp_path, "{table: table.csv}", "cim"))
