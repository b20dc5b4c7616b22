"""Data of one subnet in a report, against the totals of the cost model."""

from __future__ import annotations

import json

import pytest

from objectives.hardware import CostModel, load_soc
from objectives.timeline import PARTS
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
    for _, op, start, length in found["bars"]:
        begin, end = ops["start"][op], ops["start"][op] + ops["length"][op]
        assert begin <= start * (1 + 1e-4) + 1e-9
        assert start + length <= end * (1 + 1e-4)
