"""Several processes train what one would."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from supernet.training.distributed import World
from tests.warm_process import ROOT, WarmProcess

TRAINING = """
import json, sys, torch
from dataclasses import replace
from pathlib import Path
from search_space.files.yaml_document import parse_document
from search_space.space import Space
from supernet.training.distributed import joined_world
from supernet.images.labelled_images import LabelledImages
from supernet.train import make_parser
from supernet.training.recipe import load_recipe
from supernet.training.recipe_options import recipe_with
from supernet.training.supernet_trainer import Trainer

torch.set_num_threads(1)
out = Path(sys.argv[1])
space = parse_document(Space, json.loads(sys.argv[2]), source="small")
generator = torch.Generator().manual_seed(0)
images = LabelledImages(
    torch.randint(0, 255, (64, 3, 16, 16), generator=generator, dtype=torch.uint8), torch.arange(64) % 4
)
recipe = replace(load_recipe("two_phase"), batch=32, accumulate=2, precision="fp32")
recipe = recipe.with_phases(epochs=[2], rate=[1e-3])
recipes = {
    "adamw": recipe,
    "sgd": replace(recipe, optimizer="sgd", conflict="project", ema=0.5).with_phases(cnn="freeze"),
}
with joined_world(torch.device("cpu")) as (world, device):
    # Each process normalises its own images as accumulation does the parts of a batch.
    words = ["--out", "none", "--optimizer", "sgd", "--batch-norm", "local", "--epochs", "2"]
    words += ["--accumulate", str(2 // world.size), "--rate", "1e-3", "--batch", "32", "--precision", "fp32"]
    recipes["local"] = recipe_with("two_phase", vars(make_parser().parse_args(words)))
    for name, recipe in recipes.items():
        trainer = Trainer(space=space, images=images, recipe=recipe, device=device, world=world)
        losses = []
        while not trainer.is_finished:
            result = trainer.train_epoch()
            losses.append({kind: [score.loss, score.accuracy] for kind, score in result.scores.items()})
        if world.rank == 0:
            trainer.save(out / f"{name}.safetensors")
            (out / f"{name}.json").write_text(json.dumps(losses))
        del trainer  # It holds the connection, which must not outlive the group.
"""

NORM = """
import torch
from torch import distributed
from torch.nn import functional as F
from supernet.network.batch_norm import Site
from supernet.training.distributed import by_global_batch, joined_world

torch.manual_seed(0)
x, factor = torch.randn(6, 5, 4, 4) * 3 + 7, torch.randn(6, 5, 4, 4)
weight, bias = torch.randn(5), torch.randn(5)


def normalised(normalise, part):
    leaves = [leaf.clone().requires_grad_() for leaf in (x[part], weight, bias)]
    out = normalise(*leaves)
    (out.sigmoid() * factor[part]).sum().backward()
    return out, [leaf.grad for leaf in leaves]


def close(ours, expected):
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


with joined_world(torch.device("cpu")) as (world, _):
    expected, (by_x, *others) = normalised(
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True, eps=1e-3), slice(None)
    )
    site = Site()
    site.epsilon = 1e-3
    mine = slice(3 * world.rank, 3 * world.rank + 3)
    out, (by_my_x, *my_others) = normalised(lambda x, w, b: by_global_batch(site, x, w, b), mine)
    close(out, expected[mine])
    close(by_my_x, by_x[mine])
    for ours, of_all in zip(my_others, others, strict=True):
        distributed.all_reduce(ours)
        close(ours, of_all)
"""


def run(script: Path, processes: int, *arguments: str) -> None:
    """The script in processes as torchrun starts them, which the tests of the documentation run."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = {"PYTHONPATH": str(ROOT), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    started = [
        WarmProcess(
            [str(script), *arguments],
            environment={
                **os.environ,
                **own,
                **{"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)},
            },
        )
        for rank in range(processes)
    ]
    for process in started:
        _, error = process.communicate()
        assert process.returncode == 0, error


@pytest.mark.slow
def test_two_processes_have_the_loss_curve_of_one(tmp_path: Path, small_text: str) -> None:
    """But for the order of sums: losses to 1e-4, and SGD's weights to 1e-5.

    AdamW turns the rounding of a gradient near zero into a whole step, so its weights are not compared.
    """
    script = tmp_path / "script.py"
    script.write_text(TRAINING)
    outs = [tmp_path / str(processes) for processes in (1, 2)]
    for processes, out in enumerate(outs, start=1):
        out.mkdir()
        run(script, processes, str(out), small_text)
    for name in ("adamw", "sgd", "local"):
        one, two = (json.loads((out / f"{name}.json").read_text()) for out in outs)
        assert len(one) == 4
        for epoch_of_one, epoch_of_two in zip(one, two, strict=True):
            assert list(epoch_of_one) == list(epoch_of_two)
            for kind, (loss, accuracy) in epoch_of_one.items():
                assert epoch_of_two[kind][0] == pytest.approx(loss, rel=1e-4)
                assert epoch_of_two[kind][1] == pytest.approx(accuracy, abs=2)
        states = [load_file(out / f"{name}.safetensors") for out in outs]
        assert states[0].keys() == states[1].keys()  # what no subnet used has no moments in either
        for key, value in states[0].items():
            if name != "adamw" and key.startswith(("weight.", "average.")):
                torch.testing.assert_close(states[1][key], value, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_batch_norm_over_two_processes_is_that_of_the_whole_batch(tmp_path: Path) -> None:
    script = tmp_path / "norm.py"
    script.write_text(NORM)
    run(script, 2)


def test_a_world_of_one_sums_nothing() -> None:
    value = torch.tensor([1.0, 2.0])
    assert World().sum(value) is value
    assert value.tolist() == [1.0, 2.0]
