"""Arm's compiler in process, and the table of its cycles."""

from __future__ import annotations

import os
import sqlite3
import sys
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from objectives.hardware import CostModel, Op, load_soc
from objectives.hardware.npu_model import create_npu_model
from objectives.hardware.op import KINDS, OpArrays
from objectives.hardware.parts.npu import Npu
from objectives.hardware.vela_compiler import vela as compiler
from objectives.hardware.vela_compiler.cycle_table import FILE_NAME, VelaTable
from objectives.hardware.vela_compiler.probe import CompiledOp, op_cycles
from objectives.hardware.vela_compiler.vela import VelaError, compiled, system_configuration
from search_space.errors import UnknownNameError

SMALL, LARGE = load_soc("u55-128").npu, load_soc("u55-256").npu

# Cycles of Vela 5.2.0 on U55-128 and U55-256.
GOLDEN = [
    (Op("conv2d", 16, 16, 32, 192), 25664, 13632),
    (Op("conv2d", 8, 8, 24, 48, kernel=2, stride=2), 1440, 1296),
    (Op("depthwise", 28, 28, 144, 144, kernel=3), 85828, 44088),
    (Op("linear", 64, 1, 128, 384), 26432, 14656),
    (Op("linear", 196, 1, 192, 768, fused_gelu=True), 228292, 153952),
    (Op("matmul", 64, 1, 32, 64, heads=4), 462848, 321344),
    (Op("matmul", 64, 1, 64, 32, heads=4), 434432, 303328),
    (Op("softmax", 64, 1, 64, 64, heads=4), 192090, 144538),
    (Op("norm", 64, 1, 128, 128), 120520, 90176),
    (Op("norm", 8, 8, 128, 128), 120520, 90176),
    (Op("activation", 8, 8, 128, 128), 10048, 5440),
    (Op("add", 8, 8, 128, 128), 12288, 6144),
    (Op("pool", 7, 7, 64, 64, kernel=7, stride=7), 2432, 2428),
    (Op("max_pool", 16, 16, 32, 32, kernel=2, stride=2), 2640, 2560),
    (Op("mean", 7, 7, 40, 40), 3151, 3145),
    (Op("mul", 8, 8, 128, 128), 6144, 3072),
    (Op("resize", 12, 12, 24, 24, out_height=24, out_width=24), 15228, 8648),
    (Op("resize", 12, 12, 24, 24, kernel=4, out_height=48, out_width=48), 239020, 122398),
    (Op("bilinear", 12, 12, 24, 24, out_height=24, out_width=24), 40602, 33932),
    (Op("copy", 8, 8, 64, 64), 4928, 3264),
    (Op("pad", 8, 8, 64, 64, out_height=9, out_width=10), 4032, 2664),
    (Op("depth_multiplier", 16, 16, 32, 64, kernel=3, stride=2), 20096, 18048),
    (Op("conv2d", 49, 10, 1, 64, kernel=10, stride=2, kernel_width=4), 25001, 14001),
    (Op("conv2d", 16, 16, 24, 40, kernel=5, kernel_width=3, out_height=12, out_width=14), 29448, 15908),
    (Op("depthwise", 16, 16, 24, 24, kernel=3, stride=2, out_height=7, out_width=7), 2042, 1498),
]


def changed(npu: Npu, **values: float) -> Npu:
    """`npu` with other values of some quantities."""
    quantities = {name: getattr(npu, name) for name in values}
    return replace(
        npu,
        **{
            name: replace(quantity, value=values[name], low=0, high=1e9)
            for name, quantity in quantities.items()
        },
    )


def cycles(table: VelaTable, *ops: Op) -> list[float]:
    return list(table.cycles(OpArrays.of(ops)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / FILE_NAME


@pytest.mark.parametrize(("npu", "column"), [(SMALL, 1), (LARGE, 2)], ids=["u55-128", "u55-256"])
def test_golden_cycles_of_every_kind(npu: Npu, column: int) -> None:
    system = system_configuration(npu)
    assert {row[0].kind for row in GOLDEN} == set(KINDS)
    assert [op_cycles([row[0]], system)[0] for row in GOLDEN] == [row[column] for row in GOLDEN]


def test_ops_compiled_together_cost_what_they_cost_alone() -> None:
    expected = [row[2] for row in GOLDEN[:3]]
    assert op_cycles([row[0] for row in GOLDEN[:3]], system_configuration(LARGE)) == expected


def test_slower_weights_take_longer() -> None:
    op = Op("linear", 1, 1, 512, 512)
    fast, slow = (
        op_cycles([op], system_configuration(npu))[0] for npu in (LARGE, changed(LARGE, weight_bandwidth=1))
    )
    assert slow > 3 * fast


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"micro_block_height": 3}, "32, 64, 128, 256 MAC/cycle, but npu has 384"),
        ({"weight_bandwidth": 16}, "npu.weight_bandwidth up to 8 B/cycle"),
    ],
)
def test_unknown_npu_is_refused(values: dict[str, float], message: str, file: Path) -> None:
    with pytest.raises(VelaError, match=message):
        VelaTable(changed(LARGE, **values), file=file)
    assert not file.exists()


def test_missing_compiler_says_what_to_install(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    compiler._regor.cache_clear()
    compiler.vela_version.cache_clear()
    monkeypatch.setitem(sys.modules, "ethosu.regor", None)
    with pytest.raises(VelaError, match="pip install ethos-u-vela"):
        VelaTable(LARGE, file=file)


def test_op_that_the_compiler_refuses_is_named() -> None:
    # With padding, an Ethos-U55 takes the mean over windows of 8 positions a side at most.
    with pytest.raises(VelaError, match=r"pool 32x32x8->8 k20: Vela leaves 1 operators .* CPU"):
        op_cycles([Op("pool", 32, 32, 8, 8, kernel=20)], system_configuration(LARGE))


def test_each_op_is_compiled_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ops = [row[0] for row in GOLDEN[:2]]
    first = VelaTable(LARGE, file=file)
    assert cycles(first, ops[0], ops[1], ops[0]) == [13632, 1296, 13632]
    monkeypatch.setattr(
        "objectives.hardware.vela_compiler.cycle_table.compiled_ops", None
    )  # must not be called again
    assert cycles(first, ops[1]) == [1296]
    assert cycles(VelaTable(LARGE, file=file), *ops) == [13632, 1296]


@pytest.mark.parametrize(
    "change", ["cycles = 0", "cycles = cycles + 1", "cycles = -5, digest = zeroblob(16)"]
)
def test_a_row_that_was_changed_is_compiled_again(file: Path, change: str) -> None:
    op = GOLDEN[0][0]
    assert cycles(VelaTable(LARGE, file=file), op) == [13632]
    for _ in range(2):
        with sqlite3.connect(file) as table:
            table.execute(f"UPDATE costs SET {change}")
        assert cycles(VelaTable(LARGE, file=file), op) == [13632]
    with sqlite3.connect(file) as table:
        assert table.execute("SELECT cycles FROM costs").fetchall() == [(13632,)]
    assert file.stat().st_mode & 0o777 == 0o600


def test_impossible_cycles_of_the_compiler_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "objectives.hardware.vela_compiler.cycle_table.compiled_ops", lambda *_: [CompiledOp(0, 0, 0)]
    )
    with pytest.raises(VelaError, match="0 cycles"):
        VelaTable(LARGE, file=file).cycles(OpArrays.of([GOLDEN[0][0]]))


def test_other_npu_has_other_entries(file: Path) -> None:
    op = GOLDEN[0][0]
    assert cycles(VelaTable(LARGE, file=file), op) == [13632]
    assert cycles(VelaTable(SMALL, file=file), op) == [25664]
    with sqlite3.connect(file) as table:
        assert table.execute("SELECT COUNT(*), COUNT(DISTINCT npu) FROM costs").fetchone() == (2, 2)


def test_ops_that_compile_alike_share_an_entry(file: Path) -> None:
    joint, plain = Op("linear", 64, 1, 48, 144, heads=3), Op("linear", 8, 8, 48, 144)
    table = VelaTable(LARGE, file=file)
    assert len(set(cycles(table, joint, plain))) == 1
    with sqlite3.connect(file) as rows:
        assert rows.execute("SELECT op FROM costs").fetchall() == [("linear 64x1x48->144",)]


def test_no_ops_need_no_table(file: Path) -> None:
    assert VelaTable(LARGE, file=file).cycles(OpArrays.of([])).shape == (0,)
    assert not file.exists()


def test_damaged_table_is_an_error_that_names_it(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"no table" * 1000)
    with pytest.raises(VelaError, match=f"cannot use the table of compiled ops .*{FILE_NAME}.*H4H_CACHE"):
        VelaTable(LARGE, file=file).cycles(OpArrays.of([GOLDEN[0][0]]))


@pytest.mark.parametrize("make", ["mkfifo", "mkdir"])
def test_something_else_in_place_of_the_table_is_named_at_once(make: str, tmp_path: Path) -> None:
    getattr(os, make)(tmp_path / FILE_NAME)
    with pytest.raises(VelaError, match=f"{FILE_NAME}: is not a regular file but a .*; delete it, or set"):
        VelaTable(LARGE, file=tmp_path / FILE_NAME).cycles(OpArrays.of([GOLDEN[0][0]]))


def test_environment_says_where_the_table_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("H4H_CACHE", str(tmp_path / "here"))
    create_npu_model("vela", LARGE).cycles(OpArrays.of([GOLDEN[1][0]]))
    assert (tmp_path / "here" / FILE_NAME).is_file()


def _fill(file: Path, channels: list[int]) -> None:
    ops = [Op("conv2d", 8, 8, 16, count) for count in channels]
    VelaTable(LARGE, file=file).cycles(OpArrays.of(ops))


def test_two_processes_fill_one_table(file: Path) -> None:
    spawn = get_context("spawn")
    halves = [list(range(8, 72, 8)), list(range(40, 104, 8))]
    workers = [spawn.Process(target=_fill, args=(file, half)) for half in halves]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    with sqlite3.connect(file) as table:
        assert table.execute("SELECT COUNT(*) FROM costs").fetchone() == (12,)


def test_cost_model_takes_the_cycles_of_the_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("H4H_CACHE", str(tmp_path))
    soc, op = load_soc("u55-256"), GOLDEN[0][0]
    analytic, compiled = CostModel(soc), CostModel(soc, npu_model="vela")
    assert compiled.network([op]).ops[0].npu_cycles == 13632
    assert compiled.network([op]).ops[0].mram_pj == analytic.network([op]).ops[0].mram_pj
    assert compiled.fingerprint()["npu_model"] == "vela 5.2.0"
    assert analytic.fingerprint()["npu_model"] == "analytic"


def test_splits_are_compiled_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("H4H_CACHE", str(tmp_path))
    op = Op("depthwise", 8, 8, 24, 24, kernel=3)
    cost = CostModel(load_soc("u55-256-cim8"), npu_model="vela").network([op]).ops[0]
    with sqlite3.connect(tmp_path / FILE_NAME) as table:
        names = {name for (name,) in table.execute("SELECT op FROM costs")}
    assert names == {f"depthwise 8x8x{count}->{count} k3" for count in (8, 16, 24)}
    assert cost.cycles > 0


def test_unknown_model_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="--npu-model 'vella': must be one of analytic, vela"):
        create_npu_model("vella", LARGE)


def test_every_layer_belongs_to_somebody() -> None:
    from objectives.hardware.vela_compiler.tflite import Graph

    graph = Graph()
    graph.owner = "first"
    x = graph.conv2d(graph.input(1, 8, 8, 16), 32)
    graph.owner = "second"
    x = graph.softmax(graph.add(x, x))
    found = compiled(graph, [x], system_configuration(LARGE)).cycles
    assert set(found) == {"first", "second"}
    assert all(np.array(list(found.values())) > 0)
