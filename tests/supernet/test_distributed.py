"""Several processes train what one would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from supernet.distributed import World

SCRIPT = """
import json, sys, torch
from dataclasses import replace
from pathlib import Path
from search_space.document import parse_document
from search_space.space import Space
from supernet.distributed import by_global_batch, joined_world
from supernet.images import LabelledImages
from supernet.recipe import load_recipe
from supernet.training import Trainer

torch.set_num_threads(1)
out, space, conflict = Path(sys.argv[1]), parse_document(Space, json.loads(sys.argv[2]), source="small"), sys.argv[3]
generator = torch.Generator().manual_seed(0)
images = LabelledImages(
    torch.randint(0, 255, (128, 3, 16, 16), generator=generator, dtype=torch.uint8), torch.arange(128) % 4
)
recipe = replace(
    load_recipe("two_phase"), batch=32, accumulate=2, conflict=conflict, ema=0.5, precision="fp32"
).with_phases(epochs=[2], rate=[1e-3])
with joined_world(torch.device("cpu")) as (world, device):
    trainer = Trainer(space=space, images=images, recipe=recipe, device=device, world=world)
    losses = []
    while not trainer.is_finished:
        result = trainer.train_epoch()
        losses.append({kind: [score.loss, score.accuracy] for kind, score in result.scores.items()})
    if world.rank == 0:
        trainer.save(out / "state.safetensors")
        (out / "losses.json").write_text(json.dumps(losses))
"""


def train(out: Path, processes: int, space: str, conflict: str) -> None:
    out.mkdir()
    script = out / "script.py"
    script.write_text(SCRIPT)
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [sys.executable, *(launcher if processes > 1 else []), str(script), str(out), space, conflict]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("conflict", ["sum", "project"])
def test_two_processes_have_the_loss_curve_of_one(conflict: str, tmp_path: Path, small_text: str) -> None:
    """Sums run in another order, and AdamW's first steps blow up what is left of a gradient near zero."""
    for processes in (1, 2):
        train(tmp_path / str(processes), processes, small_text, conflict)
    one, two = (json.loads((tmp_path / str(number) / "losses.json").read_text()) for number in (1, 2))
    assert len(one) == 4
    for epoch_of_one, epoch_of_two in zip(one, two, strict=True):
        assert list(epoch_of_one) == list(epoch_of_two) == ["largest", "smallest", "random"]
        for kind, (loss, accuracy) in epoch_of_one.items():
            assert epoch_of_two[kind][0] == pytest.approx(loss, rel=1e-4)
            assert epoch_of_two[kind][1] == pytest.approx(accuracy, abs=2)
    states = [load_file(tmp_path / str(number) / "state.safetensors") for number in (1, 2)]
    assert states[0].keys() == states[1].keys()  # what no subnet used has no moments in either
    for name, value in states[0].items():
        if name.startswith(("weight.", "average.")):
            torch.testing.assert_close(states[1][name], value, rtol=0, atol=2e-4, msg=name)


def test_a_world_of_one_sums_nothing() -> None:
    value = torch.tensor([1.0, 2.0])
    assert World().sum(value) is value
    assert value.tolist() == [1.0, 2.0]


NORM = """
import sys, torch
from torch import distributed, nn
from torch.nn import functional as F
from supernet.distributed import by_global_batch, joined_world

torch.manual_seed(0)
x, weight, bias, factor = torch.randn(6, 5, 4, 4) * 3 + 7, torch.randn(5), torch.randn(5), torch.randn(6, 5, 4, 4)
with joined_world(torch.device("cpu")) as (world, _):
    def gradients(x, normalise):
        leaves = [leaf.clone().requires_grad_() for leaf in (x, weight, bias)]
        out = normalise(*leaves)
        return out, leaves
    out, leaves = gradients(x, lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True, eps=1e-5))
    (out.sigmoid() * factor).sum().backward()
    mine = slice(3 * world.rank, 3 * world.rank + 3)
    out_mine, leaves_mine = gradients(x[mine], lambda x, w, b: by_global_batch(nn.Identity(), x, w, b))
    (out_mine.sigmoid() * factor[mine]).sum().backward()
    close = lambda a, b: torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    close(out_mine, out[mine])
    close(leaves_mine[0].grad, leaves[0].grad[mine])
    for ours, all_of_it in zip(leaves_mine[1:], leaves[1:]):
        distributed.all_reduce(ours.grad)
        close(ours.grad, all_of_it.grad)
"""


@pytest.mark.slow
def test_batch_norm_over_two_processes_is_that_of_the_whole_batch(tmp_path: Path) -> None:
    script = tmp_path / "norm.py"
    script.write_text(NORM)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        str(script),
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
