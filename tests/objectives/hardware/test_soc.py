"""SoC files: built-in files, variants by `base`, and one-line errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from objectives.hardware import CostModel, Op, SoC, known_socs, load_soc, variant
from objectives.hardware.parts.npu import NoNpuError
from objectives.hardware.soc import assumed, with_value
from search_space.errors import DocumentError, H4HError, UnknownNameError

Document = dict[str, Any]
MORE = ("u55-256-cim8x4", "u55-256-tiles8")
CLOCK = {"value": 500, "unit": "MHz", "low": 200, "high": 1000, "source": "a data sheet"}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Writes a changed copy of the largest built-in SoC and gives its path."""

    def write(change: Callable[[Document], object] = dict, name: str = "mine.yaml") -> str:
        data = load_soc("u55-256-cim8").to_dict()
        change(data)
        path = tmp_path / name
        path.write_text(yaml.safe_dump(data), encoding="utf-8")
        return str(path)

    return write


def test_built_in_names() -> None:
    macros = [f"u55-256-cim{count}" for count in (1, 2, 4, 8)]
    stores = [f"u55-256-{store}{macros}" for store in ("background", "flash") for macros in ("", "-cim8")]
    assert known_socs() == tuple(
        sorted(
            [
                *("u55-32", "u55-64", "u55-128", "u55-256", "u65-256", "u85-256"),
                *(*macros, *stores, "u55-256-cim8-no-heads", *MORE),
            ]
        )
    )


@pytest.mark.parametrize("name", known_socs())
def test_built_in_files_are_sound(name: str) -> None:
    soc = load_soc(name)
    assert soc.name == name
    quantities = dict(soc.quantities())
    assert len(quantities) > (30 if soc.npu.family.has_closed_form else 20)
    for number in quantities.values():
        assert number.low <= number.value <= number.high
        assert number.source


def test_what_the_built_in_files_differ_in() -> None:
    def values(soc: SoC) -> dict[str, float]:
        return {name: number.value for name, number in soc.quantities()}

    names = ("u55-256", "u55-256-cim8", "u55-256-cim8x4")
    alone, eight, four_units = map(values, map(load_soc, names))
    assert alone.items() < eight.items()
    assert {name for name in eight if eight[name] != four_units[name]} == {"cim.compute_units"}
    assert (eight["cim.macros"], four_units["cim.compute_units"]) == (8, 4)
    for count in (1, 2, 4):
        few = values(load_soc(f"u55-256-cim{count}"))
        assert few == {**eight, "cim.macros": count}


def test_copy_of_a_file_is_the_same_chip(write: Callable[..., str]) -> None:
    copy, original = load_soc(write()), load_soc("u55-256-cim8")
    assert copy == original
    assert copy.digest == original.digest


def test_digest_follows_values_only(write: Callable[..., str]) -> None:
    original = load_soc("u55-256-cim8").digest

    def reworded(data: Document) -> None:
        data["name"] = "mine"
        data["npu"]["clock"]["source"] = "a data sheet"

    def faster(data: Document) -> None:
        data["npu"]["clock"]["value"] = 600

    assert load_soc(write(reworded)).digest == original
    assert load_soc(write(faster)).digest != original


def test_base_by_name_and_by_relative_path(tmp_path: Path) -> None:
    link = '{value: 4, unit: cycle/hop, low: 1, high: 4, source: "long wires"}'
    (tmp_path / "far.yaml").write_text(f"base: u55-256-cim8\nname: far\nnoc:\n  link_cycles: {link}\n")
    (tmp_path / "farther.yaml").write_text("base: far.yaml\nname: farther\n")
    far, farther = (load_soc(str(tmp_path / name)) for name in ("far.yaml", "farther.yaml"))
    assert far.noc is not None
    assert far.noc.link_cycles.value == 4
    assert far.noc.router_cycles == load_soc("u55-256-cim8").noc.router_cycles  # type: ignore[union-attr]
    assert (farther.name, farther.noc) == ("farther", far.noc)


def test_base_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("base: b.yaml\n")
    (tmp_path / "b.yaml").write_text("base: a.yaml\n")
    with pytest.raises(DocumentError, match="leads back to"):
        load_soc(str(tmp_path / "a.yaml"))


def test_quantity_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "base: u55-256\nnpu:\n  clock: {value: 400, unit: MHz, low: 1, high: 500}\n"
    )
    with pytest.raises(DocumentError, match=r"npu\.clock\.source: this key is missing"):
        load_soc(str(tmp_path / "a.yaml"))


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        UnknownNameError, match=r"u55-128, u55-256, u55-256-background, .*u55-256-cim8x4.*did you mean"
    ):
        load_soc("u55-257")


def _set(*path: str, value: object) -> Callable[[Document], None]:
    def change(data: Document) -> None:
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return change


def _drop(*path: str) -> Callable[[Document], None]:
    def change(data: Document) -> None:
        for key in path[:-1]:
            data = data[key]
        del data[path[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("nap", value=1), "unknown key 'nap'"),
        (_set("npu", "speed", value=1), "npu: unknown key 'speed'"),
        (_set("npu", "clock", "note", value="x"), r"npu\.clock: unknown key 'note'"),
        (_drop("npu"), "noc.npu: must be absent or null"),
        (_drop("npu", "add_cycles"), r"npu\.add_cycles: this key is missing"),
        (
            _drop("memory", "sram_energy_table"),
            r"memory\.sram_energy: this key is missing; state it, or memory\.sram_energy_table",
        ),
        (_drop("memory", "weight_store"), "memory.weight_store: this key is missing, and `npu` needs it"),
        (_drop("npu", "mac_energy", "source"), r"npu\.mac_energy\.source: this key is missing"),
        (_drop("noc"), "noc: this key is missing, and `cim` needs it"),
        (_set("npu", "mac_energy", "source", value="  "), r"npu\.mac_energy.*`source` must state"),
        (
            _set("npu", "mac_energy", "unit", value="nJ/MAC"),
            r"npu\.mac_energy\.unit: must be 'pJ/MAC', but got 'nJ/MAC'",
        ),
        (
            _set("npu", "mac_energy", "low", value=0.3),
            r"npu\.mac_energy.*low <= value <= high, but got low 0\.3",
        ),
        (_set("npu", "mac_energy", "high", value=0.2), r"npu\.mac_energy.*high 0\.2"),
        (
            _set("npu", "mac_energy", "value", value="0.25"),
            r"npu\.mac_energy\.value: must be a number, but got '0\.25'; write 0\.25$",
        ),
        (
            _set("npu", "mac_energy", "value", value=True),
            r"npu\.mac_energy\.value: must be a number, but got True$",
        ),
        (_set("npu", "mac_energy", "high", value=float("inf")), r"npu\.mac_energy.*`high` must be finite"),
        (_set("npu", "mac_energy", value=0.25), r"npu\.mac_energy: a number needs unit"),
        (_set("npu", "mac_energy", "low", value=0), r"npu\.mac_energy\.low: must be positive, but got 0"),
        (
            _set("npu", "static_power", "low", value=-1),
            r"npu\.static_power\.low: must be at least 0, but got -1",
        ),
        (
            _set("cim", "macros", "value", value=7.5),
            r"cim\.macros\.value: must be a whole number, but got 7\.5",
        ),
        (
            _set("cim", "input_lanes", "low", value=7.5),
            r"cim\.input_lanes\.low: must be a whole number, but got 7\.5",
        ),
        (_set("cim", "input_lanes", "high", value=85.5), r"cim\.input_lanes\.high: must be a whole number"),
        (
            _set("cim", "unit_rate", value=16),
            r"cim\.unit_rate: this key was removed; write cim\.input_lanes and cim\.output_lanes",
        ),
        (
            _set("cim", "positions_per_read", value=32),
            r"cim\.positions_per_read: .*; write cim\.weight_register, cim\.accumulators and cim\.input",
        ),
        (
            _set("cim", "capacity", value={**CLOCK, "value": 0.1, "low": 0.1, "unit": "KiB/macro"}),
            r"cim\.capacity: must hold a tile or word of 0\.125 KiB at least, but is 0\.1 KiB/macro",
        ),
        (_set("npu", "clock", "value", value=0), r"npu\.clock.*low <= value <= high.*value 0"),
        (_set("npu", "clock", "value", value=-500), r"npu\.clock.*low <= value <= high.*value -500"),
        (
            _set("npu", "clock", "high", value=1e300),
            r"npu\.clock.*`high` must be 0 or between 1e-12 and 1e\+12",
        ),
        (_set("npu", "clock", "low", value=1e-300), r"npu\.clock.*`low` must be 0 or between"),
        (
            _set("clock", value=CLOCK),
            r"clock: is part of `npu` on a chip that has one; write npu: \{clock: \{value: 500",
        ),
        (_drop("noc", "npu"), r"noc\.npu: this key is missing: the tile"),
        (
            _set("noc", "sram", value=[100000, 0]),
            r"tile coordinates must be -1000 to 1000, but got \[100000, 0\]",
        ),
        (_set("cim", "model", value="analog"), r"unknown cim\.model 'analog': must be one of near_memory"),
        (_set("noc", "topology", value="ring"), r"unknown noc\.topology 'ring': must be one of mesh, bus"),
        (_set("noc", "sram", value=[1, 0]), r"noc: tile \[1, 0\] is used 2 times"),
        (_set("noc", "macros", value=[[1, 0]]), r"noc\.macros: must list a tile for each of the 8 macros"),
        (_set("noc", "sram", value=[1]), r"noc\.sram"),
        (_set("cim", value=[1]), r"cim: must be a section with the keys model, macros, .*, but got \[1\]$"),
        (_set("cim", "rows", value=1), "cim: unknown key 'rows'"),
        (_drop("cim", "write_rate"), r"cim\.write_rate: this key is missing"),
        (_set("npu", value=[1]), r"npu: must be a section with the keys clock, .*, but got \[1\]$"),
        (_set("name", value=5), "name: .*expected str, got int"),
        (_set("base", value=5), "`base` must be the name or path of a hardware file, but got 5"),
    ],
)
def test_mistakes_are_named_in_one_line(
    write: Callable[..., str], change: Callable[[Document], None], message: str
) -> None:
    with pytest.raises((DocumentError, UnknownNameError), match=message) as caught:
        load_soc(write(change))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "- 1\n", "a: [\n", "just words"])
def test_what_is_no_mapping(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(DocumentError, match=r"bad\.yaml"):
        load_soc(str(path))


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="does not exist"):
        load_soc(str(tmp_path / "none.yaml"))
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DocumentError, match="UTF-8"):
        load_soc(str(path))


def test_macros_may_be_left_out(write: Callable[..., str]) -> None:
    def change(data: Document) -> None:
        del data["cim"], data["noc"]

    assert load_soc(write(change)).cim is None


def test_units_of_power_and_time() -> None:
    soc = load_soc("u55-256")
    assert soc.cycles_per_ms == 500_000
    assert soc.picojoules_per_cycle(1.0) == 2  # 1 mW for 2 ns


def test_variants_equal_the_built_in_chips() -> None:
    eight = load_soc("u55-256-cim8")
    for count in (1, 2, 4):
        assert variant(eight, macros=count).digest == load_soc(f"u55-256-cim{count}").digest
    assert variant(eight, units=4).digest == load_soc("u55-256-cim8x4").digest
    assert variant(eight, macros=0).digest == load_soc("u55-256").digest
    assert variant(eight) is eight


def test_more_macros_than_the_floor_plan_holds() -> None:
    soc = variant(load_soc("u55-256-cim8"), macros=20)
    assert soc.noc is not None
    assert soc.macros == len(set(soc.noc.macros)) == 20
    assert not {soc.noc.npu, soc.noc.sram} & set(soc.noc.macros)
    assert soc.noc.macros[:8] == load_soc("u55-256-cim8").noc.macros  # type: ignore[union-attr]


def test_variants_that_cannot_be() -> None:
    with pytest.raises(H4HError, match="--macros must be at least 0, but got -1"):
        variant(load_soc("u55-256-cim8"), macros=-1)
    with pytest.raises(H4HError, match="--macros must be at most 1000, but got 1001"):
        variant(load_soc("u55-256-cim8"), macros=1001)
    with pytest.raises(H4HError, match="--units must be at least 1, but got 0"):
        variant(load_soc("u55-256-cim8"), units=0)
    with pytest.raises(H4HError, match="'u55-256' has no macros to derive others from"):
        variant(load_soc("u55-256"), macros=2)
    assert variant(load_soc("u55-256"), macros=0).cim is None


def test_zero_macros_in_a_file_are_the_npu_alone(write: Callable[..., str]) -> None:
    soc = load_soc(write(_set("cim", "macros", "value", value=0)))
    assert (soc.cim, soc.noc) == (None, None)
    assert soc.digest == load_soc("u55-256").digest


@pytest.mark.parametrize("name", ["u55-256-cim8", "u55-256-tiles8"])
def test_one_number_changed(name: str) -> None:
    soc = load_soc(name)
    before = {key: number.value for key, number in soc.quantities()}
    for key, number in soc.quantities():
        for value in {number.low, number.high} - {number.value}:
            changed = with_value(soc, key, value)
            if (key, value) == ("cim.macros", 0):
                assert (changed.cim, changed.noc, changed.digital) == (None, None, None)
                continue
            after = {each: other.value for each, other in changed.quantities()}
            assert after == {**before, key: value}
            # An area is no cost: tables of costs serve chips that differ in nothing else.
            assert (changed.digest == soc.digest) == ("area" in key)


def test_numbers_that_cannot_be_changed() -> None:
    soc = load_soc("u55-256")
    with pytest.raises(UnknownNameError, match=r"unknown quantity 'npu\.clok'.*did you mean 'npu\.clock'"):
        with_value(soc, "npu.clok", 1)
    with pytest.raises(
        DocumentError, match=r"npu\.clock: must be low <= value <= high, but got low 200, value 1"
    ):
        with_value(soc, "npu.clock", 1)
    with pytest.raises(DocumentError, match=r"cim\.macros\.value: must be a whole number, but got 1\.5"):
        with_value(load_soc("u55-256-cim8"), "cim.macros", 1.5)


@pytest.fixture
def macros_alone(tmp_path: Path) -> Path:
    path = tmp_path / "macros.yaml"
    clock = yaml.safe_dump(CLOCK, default_flow_style=True).strip()
    path.write_text(f"base: u55-256-cim8\nname: macros\nnpu: null\nclock: {clock}\nnoc: {{npu: null}}\n")
    return path


def test_without_npu(macros_alone: Path) -> None:
    soc = load_soc(str(macros_alone))
    assert not soc.has_npu
    assert soc.clock_mhz == 500
    assert {name.split(".")[0] for name, _ in soc.quantities()} == {"clock", "memory", "noc", "cim", "area"}
    assert with_value(soc, "clock", 250).digest != soc.digest
    with pytest.raises(NoNpuError, match=r"the chip has no NPU"):
        soc.npu.cycles([Op("add", 8, 8, 8, 8)])
    with pytest.raises(DocumentError, match="npu: this key is missing, and there are no macros"):
        variant(soc, macros=0)
    text = macros_alone.read_text()
    macros_alone.write_text("\n".join(line for line in text.splitlines() if not line.startswith("clock")))
    with pytest.raises(DocumentError, match="clock: this key is missing; a chip without `npu` needs it"):
        load_soc(str(macros_alone))


def test_macros_alone_run_what_they_can(macros_alone: Path) -> None:
    soc = load_soc(str(macros_alone))
    convolutions = [
        Op("conv2d", 16, 16, 24, 96),
        Op("depthwise", 16, 16, 96, 96, 3),
        Op("conv2d", 16, 16, 96, 24),
    ]
    alone = CostModel(soc, "cim").network(convolutions)
    beside_npu = CostModel(load_soc("u55-256-cim8"), "cim").network(convolutions)
    assert {cost.schema for cost in alone.ops} == {"cim"}
    # Nothing is handed over. The NPU beside the macros, at work before, hands over once.
    assert alone.latency_ms == pytest.approx(beside_npu.latency_ms - 500 / 500e3, abs=1e-12)
    idle = load_soc("u55-256").npu.static_power.value * alone.latency_ms * 1e6
    waiting = 5000 + 500 * load_soc("u55-256-cim8").idle_pj_per_cycle
    assert alone.energy_mj == pytest.approx(beside_npu.energy_mj - (idle + waiting) * 1e-9, rel=1e-6)


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (Op("add", 8, 8, 8, 8), r"op add 8x8x8->8 cannot run on hardware 'macros': its macros run conv2d, "),
        (Op("softmax", 16, 1, 16, 16, heads=2), "op softmax .* and it has no NPU for anything else"),
        (Op("linear", 16, 1, 16, 64, fused_gelu=True), "op linear .* with GELU cannot run"),
    ],
)
def test_ops_that_macros_alone_cannot_run(macros_alone: Path, op: Op, message: str) -> None:
    with pytest.raises(NoNpuError, match=message):
        CostModel(load_soc(str(macros_alone)), "cim").network([op])


@pytest.mark.parametrize("mapping", ["latency", "energy", "edp", "npu"])
def test_mappings_that_need_an_npu(macros_alone: Path, mapping: str) -> None:
    with pytest.raises(NoNpuError, match=f"mapping '{mapping}' needs an NPU.*use mapping 'cim'"):
        CostModel(load_soc(str(macros_alone)), mapping).network([Op("conv2d", 8, 8, 8, 8)])


def test_assumed_numbers_are_those_with_room() -> None:
    soc = load_soc("u55-256-cim8")
    ends = list(assumed(soc))
    numbers = dict(soc.quantities())
    open_ones = {name for name, one in numbers.items() if one.low < one.high}
    assert {name for name, _, _ in ends} == {name for name in open_ones if "area" not in name}
    assert ("npu.clock", "low", 200.0) in ends
    assert ("npu.clock", "high", 1000.0) in ends
    assert not any(value == numbers[name].value for name, _, value in ends)


def test_in_array_files_of_earlier_versions_load(tmp_path: Path) -> None:
    """They lack the hand-over, pieces and leakage of idle macros, which then cost nothing."""
    new = ("stream_pieces", "handover_cycles", "handover_energy", "idle_leakage", "buffer_leakage")
    data = load_soc("u55-256-tiles8").to_dict()
    for name in new:
        del data["cim"][name]
    path = tmp_path / "earlier.yaml"
    path.write_text(yaml.safe_dump(data))
    soc = load_soc(str(path))
    assert soc.cim is not None
    assert (soc.cim.pieces, soc.cim.handover, soc.cim.static_mw) == (1, (0, 0), 0)
    op = CostModel(soc, "cim").network([Op("conv2d", 16, 16, 24, 96)]).ops[0]
    assert op.overlap_cycles == op.handover_cycles == op.handover_pj == 0


def test_a_chip_without_description_has_not_that_of_its_base(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("base: u55-256-cim8\nname: mine\n")
    (tmp_path / "told.yaml").write_text("base: mine.yaml\nname: told\ndescription: a board\n")
    mine, told = (load_soc(str(tmp_path / f"{name}.yaml")) for name in ("mine", "told"))
    assert mine.description == "u55-256-cim8 with other values"
    assert told.description == "a board"
    assert mine.digest == load_soc("u55-256-cim8").digest
