"""Data of one subnet in a report, against the totals of the cost model."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from objectives.hardware import CostModel, load_soc
from objectives.roofline import rooflines, utilisation
from objectives.timeline import PARTS
from objectives.workload import ops_of, read_again, workload
from search_space.space import Space
from search_space.subnet import MBConv, PatchMerging, Stage, ViTBlock
from studies.report_page.mapping_data import Outline, mapping_record, stage_record
from tests.studies.reports import HARDWARE


def test_blocks_of_a_stage() -> None:
    stage = Stage(PatchMerging(8, 16, 2), (MBConv(16, 16, 5, 1, 3),), (ViTBlock(16, 4, 8, 2),))
    assert stage_record(stage) == {
        "width": 16,
        "stride": 2,
        "blocks": [["merge", 2], ["conv", 5, 3, 1], ["vit", 4, 2]],
    }


def test_batch_norm_of_a_block_is_named_and_layer_norm_is_not() -> None:
    blocks = (ViTBlock(16, 4, 8, 2, "batch"), ViTBlock(16, 4, 8, 2, "layer"))
    listed = stage_record(Stage(PatchMerging(8, 16, 2), (), blocks))["blocks"]
    assert listed[1:] == [["vit", 4, 2, "batch"], ["vit", 4, 2]]


def test_outline(cifar32: Space) -> None:
    subnet = cifar32.decode(cifar32.largest())
    found = Outline.of(subnet).record()
    assert found["resolution"] == subnet.resolution
    assert found["sides"] == list(subnet.sides)
    assert len(found["sides"]) == len(subnet.stages) + 1


def test_parts_sum_to_the_whole(cifar32: Space) -> None:
    found = mapping_record(cifar32.decode(cifar32.largest()), CostModel(load_soc(HARDWARE)))
    json.dumps(found, allow_nan=False)
    ops, energy = found["ops"], found["energy"]
    count = len(ops["name"])
    columns = [*json.loads(json.dumps(ops)).values(), *energy.values()]
    assert all(len(column) == count for column in columns)
    assert list(energy) == list(PARTS)
    # Five digits of each are kept.
    assert sum(map(sum, energy.values())) == pytest.approx(found["energy_mj"] * 1e6, rel=1e-4)
    assert sum(ops["length"]) == pytest.approx(found["latency_ms"] * 1e3, rel=1e-4)
    assert {lane for lane, *_ in found["bars"]} == {0, 1, 2}
    assert all(len(shares) == count for shares in found["utilisation"].values())
    for _, op, start, length in found["bars"]:
        begin, end = ops["start"][op], ops["start"][op] + ops["length"][op]
        assert begin <= start * (1 + 1e-4) + 1e-9
        assert start + length <= end * (1 + 1e-4)


def test_rooflines_and_use_are_those_of_the_profile(cifar32: Space) -> None:
    subnet, costs = cifar32.decode(cifar32.largest()), CostModel(load_soc(HARDWARE))
    found = mapping_record(subnet, costs)
    steps = workload(subnet)
    ops = ops_of(steps)
    cost = costs.network(ops, read_again(steps))
    expected = rooflines(ops, cost, costs)
    assert [line["device"] for line in found["rooflines"]] == [line.device for line in expected]
    for line, roof in zip(found["rooflines"], expected, strict=True):
        assert (line["peak"], line["bandwidth"]) == (roof.peak, roof.bandwidth)
        assert line["op"] == [point.index for point in roof.points]
        assert line["macs"] == pytest.approx([point.macs for point in roof.points], rel=1e-4)
        assert line["cycles"] == pytest.approx([point.cycles for point in roof.points], rel=1e-4)
    for device, shares in utilisation(ops, cost, costs.soc).items():
        assert found["utilisation"][device] == pytest.approx(shares, rel=1e-4)


def test_frames_and_power_by_hand(cifar32: Space) -> None:
    subnet, costs = cifar32.decode(cifar32.largest()), CostModel(load_soc(HARDWARE))
    found = mapping_record(subnet, costs, ["acc", "lat", "power", "power@30fps"])
    frames, latency, energy = found["frames"], found["latency_ms"], found["energy_mj"]
    assert frames["sequential_fps"] == pytest.approx(1e3 / latency, rel=1e-4)
    assert frames["pipelined_fps"] > frames["sequential_fps"]
    assert frames["in_flight"] > 1
    assert frames["busy_mw"] == pytest.approx(1e3 * energy / latency, rel=1e-4)
    asleep = frames["sleep_mw"] * (1 - latency * 30 / 1e3)
    assert frames["at_rate"] == {"power@30fps": pytest.approx(30 * energy + asleep, rel=1e-3)}


def test_frames_of_a_chip_that_spills(cifar32: Space) -> None:
    subnet, soc = cifar32.decode(cifar32.largest()), load_soc(HARDWARE)
    size = replace(soc.memory.sram_capacity, value=0.03, low=0.03)
    soc = replace(soc, memory=replace(soc.memory, sram_capacity=size))
    plain, spilt = (mapping_record(subnet, CostModel(soc, spill=on))["frames"] for on in (False, True))
    assert spilt["bottleneck"] == "NPU"
    assert spilt["sequential_fps"] < plain["sequential_fps"]
    assert spilt["pipelined_fps"] < plain["pipelined_fps"]
