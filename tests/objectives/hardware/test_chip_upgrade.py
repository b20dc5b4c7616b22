"""Chip files of earlier versions, and warnings about mixed sizes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml

from objectives.hardware import known_socs, load_soc
from search_space.errors import DocumentError, H4HWarning


def number(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "low": value, "high": value, "source": "a test"}


def write(folder: Path, **document: Any) -> str:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({"name": "mine", **document}), encoding="utf-8")
    return str(path)


def test_built_in_files_warn_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in known_socs():
            load_soc(name)


def test_retired_keys_are_named_and_left_out(tmp_path: Path) -> None:
    npu = {"matmul_cycles": number(1.2, "cycle/MAC"), "static_energy": number(4, "pJ/cycle")}
    with pytest.warns(H4HWarning, match=r"npu\.matmul_cycles had an effect until cost model 5"):
        soc = load_soc(write(tmp_path, base="u55-256", npu=npu))
    assert soc.npu.static_power.value == 4 * 500 * 1e-3  # pJ/cycle at 500 MHz in mW
    assert soc.npu.output_cycles == load_soc("u55-256").npu.output_cycles


def test_old_file_that_stands_alone_gets_the_numbers_of_its_size(tmp_path: Path) -> None:
    data = load_soc("u55-64").to_dict()
    npu = data["npu"]
    for key in ("buffer_banks", "bank_step", "table_cycles", "wide_binary_cycles", "sram_latency"):
        del npu[key]
    npu["fill_cycles"] = number(64, "cycle")
    with pytest.warns(H4HWarning, match="fill_cycles"):
        soc = load_soc(write(tmp_path, **data))
    assert soc.npu == load_soc("u55-64").npu


def test_new_file_must_be_complete(tmp_path: Path) -> None:
    data = load_soc("u55-64").to_dict()
    del data["npu"]["buffer_banks"]
    with pytest.raises(DocumentError, match=r"npu\.buffer_banks: this key is missing"):
        load_soc(write(tmp_path, **data))


def test_half_a_micro_block_with_the_rest_of_its_base(tmp_path: Path) -> None:
    npu = {"micro_block_width": number(1, "position")}
    with pytest.warns(
        H4HWarning, match=r"1 x 1 x 8 is that of u55-64, but npu\.buffer_banks 24.*base: u55-64"
    ):
        load_soc(write(tmp_path, base="u55-128", npu=npu))


def test_block_of_no_ethos(tmp_path: Path) -> None:
    npu = {"micro_block_height": number(4, "position")}
    with pytest.warns(H4HWarning, match=r"no Ethos-U55 has a micro-block of 4 x 2 x 8.*`base: u55-256`"):
        load_soc(write(tmp_path, base="u55-256", npu=npu))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"npu": {"clock": 400}}, r"npu\.clock: a number needs unit.*write \{value: 400, unit: MHz"),
        ({"clock": 400}, r"^[^:]*: clock: is part of `npu`.*write npu: \{clock: \{value: 400"),
        ({"clock": "400 MHz", "npu": None}, r"^[^:]*: clock: a number needs unit.*write \{value: 400, unit"),
        ({"npu": {"clock": "400 MHz"}}, r"npu\.clock: a number needs .*'400 MHz'.*write \{value: 400, unit"),
        ({"npu": {"clock": [400]}}, r"npu\.clock: a number needs .* got \[400\].*write \{value: N, unit"),
        ({"npu": {"clock": number(1, "MHz") | {"hi": 2}}}, r"npu\.clock: unknown key 'hi'; .*mean 'high'"),
        (
            {"npu": {"clock": {"value": 400}}},
            r"npu\.clock\.unit: .*missing; a number has value, unit, source",
        ),
        ({"npu": {"clock": number(5, "MHz") | {"high": 2}}}, r"npu\.clock: must be low <= .* high 2$"),
        ({"npu": 4}, r"npu: must be a section with the keys clock, .*, but got 4$"),
        ({"nup": {}}, r"top level: unknown key 'nup'; the keys are base, name, .*did you mean 'npu'"),
        ({"base": "u55-256-cim8", "cim": {"macros": 4}}, r"cim\.macros: .*write \{value: 4, unit: macro"),
        ({"base": "u55-256-cim8", "cim": {"macro": 4}}, r"cim: unknown key 'macro'.*did you mean 'macros'"),
        ({"npu": {"sram_bandwith": number(1, "B/cycle")}}, "did you mean 'sram_bandwidth'"),
        (
            {"memory": {"weight_store": {"bandwith": number(1, "B/cycle")}}},
            r"memory\.weight_store: unknown key 'bandwith'.*did you mean 'bandwidth'",
        ),
        ({"npu": {"speed": number(1, "B/cycle")}}, r"npu: unknown key 'speed'; the keys are clock, micro_"),
    ],
)
def test_messages_say_what_to_write(tmp_path: Path, document: dict[str, Any], message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        load_soc(write(tmp_path, **{"base": "u55-128", **document}))


def test_memory_that_is_faster_than_the_port(tmp_path: Path) -> None:
    memory = {"weight_store": {"bandwidth": number(16, "B/cycle")}}
    with pytest.warns(
        H4HWarning, match=r"weight_store\.bandwidth is 16 B/cycle, .*Ethos-U55 takes 8; .*at most 8"
    ):
        load_soc(write(tmp_path, base="u55-128", memory=memory))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # The ports of the U65 are 16 bytes wide.
        assert load_soc(write(tmp_path, base="u65-256", memory=memory)).npu.weight_bytes_per_cycle == 16


def test_reading_weights_by_copies_is_another_chip(tmp_path: Path) -> None:
    buffered = load_soc(write(tmp_path, base="u55-128", npu={"buffers_weights": True}))
    assert buffered.digest != load_soc("u55-128").digest


def test_numbers_of_the_weight_store_move_there(tmp_path: Path) -> None:
    npu = {"weight_bandwidth": number(1, "B/cycle"), "weight_latency": number(64, "cycle")}
    memory = {"mram_read_energy": number(20, "pJ/B")}
    with pytest.warns(
        H4HWarning,
        match=r"npu\.weight_bandwidth, npu\.weight_latency, memory\.mram_read_energy is "
        r"memory\.weight_store\.bandwidth, memory\.weight_store\.latency, "
        r"memory\.weight_store\.read_energy; .*'mram'",
    ):
        soc = load_soc(write(tmp_path, base="u55-256-cim8", npu=npu, memory=memory))
    store, before = soc.memory.weight_store, load_soc("u55-256-cim8").memory.weight_store
    assert store is not None
    assert before is not None
    assert (store.bandwidth.value, store.latency.value, store.read_energy.value) == (1, 64, 20)
    assert (soc.npu.weight_bandwidth, soc.npu.weight_latency) == (store.bandwidth, store.latency)
    assert (store.kind, store.hops, store.capacity) == ("mram", before.hops, before.capacity)


def test_file_of_cost_model_7_that_stands_alone(tmp_path: Path) -> None:
    """It has no store and states the energy of its SRAM, which holds at its size."""
    data = load_soc("u55-128").to_dict()
    data["npu"] |= {"weight_bandwidth": number(2, "B/cycle"), "weight_latency": number(32, "cycle")}
    data["memory"] = {
        "sram_capacity": number(2, "MiB"),
        "sram_energy": number(2.4, "pJ/B"),
        "sram_leakage": number(0.53, "mW/MiB"),
        "mram_read_energy": number(1.84, "pJ/B"),
    }
    with pytest.warns(H4HWarning, match="since cost model 8"):
        soc = load_soc(write(tmp_path, **data))
    assert soc.memory.sram_pj_per_byte == 2.4
    assert (soc.npu.weight_bandwidth.value, soc.npu.buffers_weights) == (2, False)
    store = soc.memory.weight_store
    assert store is not None
    assert store.capacity == load_soc("u55-128").memory.weight_store.capacity  # type: ignore[union-attr]
