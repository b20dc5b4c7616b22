from __future__ import annotations

import pytest

from benchmarks.hardware.calibration import compare, explain, explanation, movable_share, random_subnets
from objectives.hardware import load_soc
from objectives.workload import ops_of, workload
from search_space.errors import UnknownNameError
from search_space.space import load_space

SUBNETS = random_subnets(load_space("cifar32"), 4, seed=0)


def test_explanation_starts_from_the_comparison() -> None:
    record = compare("u55-256-cim8", SUBNETS, "latency")
    nominal, helped, energy, edp, quarter, *numbers = explain(
        "u55-256-cim8", SUBNETS, "latency", ["npu.mac_energy", "cim.write_rate"]
    )
    assert nominal.latency == pytest.approx(record["latency_saved"]["mean"])
    assert nominal.energy_max == pytest.approx(record["energy_saved"]["max"])
    whats = [one.what for one in numbers]
    assert whats[-1] == "cim.write_rate high 54"
    assert sorted(whats[:-1]) == ["npu.mac_energy high 0.5", "npu.mac_energy low 0.125"]
    assert numbers[-1].energy == nominal.energy  # deployment is part of no inference
    assert helped.energy == max(one.energy for one in numbers)
    # The mapping by energy saves more of it than that by latency, which is the faster one.
    assert energy.energy >= edp.energy >= nominal.energy
    assert nominal.latency >= edp.latency >= energy.latency
    assert quarter.what.startswith("quarter with most movable time")
    table = explanation([nominal, helped, numbers[-1]], "title")
    assert list(table.columns[0].cells) == ["no change", "all that save energy"]


def test_movable_share_is_what_stays_left_out() -> None:
    soc = load_soc("u55-256")
    for subnet in SUBNETS:
        ops = ops_of(workload(subnet))
        stays = [op for op in ops if op.kind in ("matmul", "softmax", "norm", "activation", "add", "pool")]
        expected = 1 - soc.npu.cycles(stays).sum() / soc.npu.cycles(ops).sum()
        assert movable_share(subnet, soc) == pytest.approx(expected)


def test_unknown_number() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown quantity 'npu\.mac'"):
        explain("u55-256-cim8", SUBNETS, "latency", ["npu.mac"])
