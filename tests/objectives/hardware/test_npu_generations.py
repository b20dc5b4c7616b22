"""Ethos-U65 and Ethos-U85: chip files, models of their cycles, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from objectives.hardware import CostModel, Op, load_soc
from objectives.hardware.npu_model import NpuModelError, create_npu_model
from objectives.hardware.op import OpArrays
from objectives.hardware.parts.npu import ClosedFormError, Npu
from objectives.hardware.parts.processor import PROCESSORS
from objectives.hardware.vela_compiler.probe import compiled_ops
from objectives.hardware.vela_compiler.vela import compiler_options, system_configuration
from objectives.roofline import rooflines, utilisation
from search_space.arrays import Floats
from search_space.errors import DocumentError, H4HError, UnknownNameError
from tests.installed_package import install

PRODUCT = Op("matmul", 64, 1, 32, 64, heads=4)
OPS = [Op("conv2d", 16, 16, 32, 64, kernel=3), Op("add", 16, 16, 32, 32), PRODUCT, Op("norm", 64, 1, 64, 64)]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("H4H_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_memories_are_those_of_the_other_chips() -> None:
    expected, *others = (load_soc(name).memory for name in ("u55-256", "u65-256", "u85-256"))
    assert others == [expected, expected]


def test_the_closed_form_of_the_u65_has_wider_ports_and_is_otherwise_that_of_the_u55() -> None:
    before, after = load_soc("u55-256"), load_soc("u65-256")
    assert (before.npu.machine.sram, after.npu.machine.sram) == (8, 16)
    assert after.npu.machine._replace(sram=8) == before.npu.machine
    assert after.digest != before.digest


def test_a_memory_per_second_is_bound_by_the_ports_of_the_processor(tmp_path: Path) -> None:
    fast = "sram_bandwidth: {value: 100, unit: GB/s, low: 1, high: 100, source: a test}"
    found = {}
    for base in ("u55-256", "u65-256", "u85-256"):
        (tmp_path / "chip.yaml").write_text(f"base: {base}\nname: chip\nnpu:\n  {fast}\n")
        found[base] = load_soc(str(tmp_path / "chip.yaml")).npu.sram_bytes_per_cycle
    assert found == {"u55-256": 8, "u65-256": 16, "u85-256": 32}


@pytest.mark.usefixtures("own_cache")
def test_the_u85_costs_what_the_compiler_says_of_each_op() -> None:
    soc = load_soc("u85-256")
    costs = CostModel(soc, npu_model="vela")
    cost = costs.network(OPS)
    target, options = system_configuration(soc.npu), compiler_options(soc.npu)
    expected = [compiled_ops([op], target, options)[0] for op in OPS]
    assert [op.npu_cycles for op in cost.ops] == [op.cycles for op in expected]
    assert [op.sram_bytes for op in cost.ops] == [op.traffic for op in expected]
    assert [op.mram_bytes for op in cost.ops] == [op.weights for op in expected]
    energy = expected[0].traffic * soc.memory.sram_pj_per_byte
    assert cost.ops[0].sram_pj == pytest.approx(energy, abs=0.01)
    (npu,) = rooflines(OPS, cost, costs)
    assert [point.bytes_moved for point in npu.points] == [expected[0].traffic, expected[2].traffic]
    assert 0 < utilisation(OPS, cost, soc)["NPU"][2] < 100


def test_weights_bound_a_wide_layer_of_few_positions_on_the_u85() -> None:
    # 80 x 256 weights for 9 positions: 720 cycles of products, some 5,100 to read the weights at 4 B/cycle.
    ops = [Op("conv2d", 3, 3, 80, 256), Op("conv2d", 24, 24, 3, 16, kernel=3)]
    cost = CostModel(load_soc("u85-256"), npu_model="vela").network(ops)
    assert [op.bound for op in cost.ops] == ["memory", "compute"]


@pytest.mark.usefixtures("own_cache")
def test_products_of_activations_are_native_on_the_u85_alone() -> None:
    # The Ethos-U55 and U65 multiply and add column by column.
    cycles = {
        name: create_npu_model(model, load_soc(name).npu).cycles(OpArrays.of([PRODUCT]))[0]
        for name, model in (("u55-256", "analytic"), ("u65-256", "analytic"), ("u85-256", "vela"))
    }
    assert cycles["u65-256"] > 10 * cycles["u85-256"]
    assert cycles["u55-256"] > cycles["u65-256"]


def test_the_closed_form_refuses_the_u85() -> None:
    with pytest.raises(ClosedFormError, match=r"does not know the Ethos-U85; use --npu-model vela"):
        CostModel(load_soc("u85-256"))


class WithoutBytes:
    """A model of another package that states cycles alone."""

    name = "mine 1"

    def __init__(self, npu: Npu) -> None:
        self.npu = npu

    def cycles(self, ops: OpArrays) -> Floats:
        return ops.macs + 1.0


class WithBytes(WithoutBytes):
    """The same with the bytes that ops move."""

    def traffic(self, ops: OpArrays) -> tuple[Floats, Floats]:
        return ops.input_bytes + ops.output_bytes, ops.weight_bytes


@pytest.fixture
def other_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = {"bare": WithoutBytes, "whole": WithBytes}
    lines = "\n".join(f"{name} = models_package.models:{model.__name__}" for name, model in models.items())
    install(tmp_path, "models-package", files={}, points={"h4h.npu_models": lines})
    monkeypatch.syspath_prepend(str(tmp_path))
    # The classes of this file stand in for the module, so that they exist once.
    monkeypatch.setitem(sys.modules, "models_package.models", sys.modules[__name__])


@pytest.mark.usefixtures("other_package")
def test_models_of_other_packages() -> None:
    assert CostModel(load_soc("u55-256"), npu_model="bare").network(OPS).ops[0].npu_cycles == OPS[0].macs + 1
    cost = CostModel(load_soc("u85-256"), npu_model="whole").network(OPS)
    assert cost.ops[0].npu_cycles == OPS[0].macs + 1
    assert cost.ops[0].sram_bytes == OPS[0].input_bytes + OPS[0].output_bytes
    with pytest.raises(NpuModelError, match=r"--npu-model bare states no bytes.* Ethos-U85: add a method"):
        CostModel(load_soc("u85-256"), npu_model="bare")
    with pytest.raises(UnknownNameError, match="must be one of analytic, vela, bare, whole"):
        CostModel(load_soc("u85-256"), npu_model="bear")


@pytest.mark.parametrize(
    ("base", "npu", "message"),
    [
        (
            "u55-256",
            "processor: ethos-u75",
            r"npu\.processor 'ethos-u75': must be one of ethos-u55",
        ),
        ("u55-256", "processor: ethos-u85", r"npu\.macs: this key is missing"),
        (
            "u55-256",
            "macs: {value: 256, unit: MAC/cycle, low: 256, high: 256, source: a test}",
            r"npu\.macs: must be absent for an Ethos-U55, whose size is its micro-block",
        ),
        (
            "u85-256",
            "buffer_banks: {value: 48, unit: bank, low: 48, high: 48, source: a test}",
            r"npu\.buffer_banks: must be absent for an Ethos-U85, whose size is npu\.macs",
        ),
    ],
)
def test_numbers_of_another_processor_are_refused(base: str, npu: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "chip.yaml"
    path.write_text(f"base: {base}\nname: chip\nnpu:\n  {npu}\n")
    with pytest.raises((DocumentError, UnknownNameError), match=message):
        load_soc(str(path))


def test_a_size_that_the_compiler_does_not_have(tmp_path: Path) -> None:
    path = tmp_path / "chip.yaml"
    macs = "{value: 300, unit: MAC/cycle, low: 300, high: 300, source: a test}"
    path.write_text(f"base: u85-256\nname: chip\nnpu:\n  macs: {macs}\n")
    with pytest.raises(H4HError, match=r"Ethos-U85 with 128, .*, 2048 MAC/cycle, but npu has 300"):
        CostModel(load_soc(str(path)), npu_model="vela")


def test_every_processor_has_a_chip() -> None:
    chips = ("u55-256", "u65-256", "u85-256")
    assert [load_soc(chip).npu.processor for chip in chips] == list(PROCESSORS)
