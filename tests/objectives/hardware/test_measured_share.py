from __future__ import annotations

import json
from pathlib import Path

import pytest

from objectives import profile
from objectives.describe import main as describe
from objectives.hardware import CostModel, load_soc
from objectives.hardware.measured_share import npu_origins, npu_shares, shares_text
from objectives.hardware.measurements.measured_cycles import Origin
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
    origins = npu_origins(model, ops_of(steps), cost.ops)
    assert origins is not None
    named = dict(zip((step.name for step in steps), origins, strict=True))
    assert named["stem"] is named["stage1.downsampling.depthwise"] is Origin.MEASURED
    assert named["head.pool"] is Origin.MODELLED
    assert named["stage2.downsampling"] in (Origin.INTERPOLATED, Origin.EXTRAPOLATED)
    shares = npu_shares(origins, cost.ops)
    assert sum(shares.values()) == pytest.approx(1)
    total = sum(each.npu_cycles for each in cost.ops)
    assert shares[Origin.MEASURED] == pytest.approx(24000 / total)
    assert f"{24000 / total:.0%} measured" in shares_text(shares)


def test_a_chip_without_a_table_has_no_origins() -> None:
    model, steps = CostModel(load_soc("u55-256")), workload(SMALLEST)
    assert npu_origins(model, ops_of(steps), model.network(ops_of(steps)).ops) is None
    assert shares_text(npu_shares([], [])) == ""


def test_profile_and_describe_tell_it(chip: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--hardware", chip, "--subnet", "min"]
    profile.main(arguments)
    out = capsys.readouterr().out
    assert "NPU kcyc from" in out
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
