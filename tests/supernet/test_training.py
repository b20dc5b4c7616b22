"""Training: it learns, phase 2 starts from phase 1, and it goes on exactly after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from search_space.errors import H4HError
from search_space.space import Space
from supernet import oracle
from supernet.checkpoint import CheckpointError
from supernet.images import LabelledImages
from supernet.training import Recipe, Trainer, make_optimizer

CPU = torch.device("cpu")
RECIPE = Recipe(cnn_epochs=2, hybrid_epochs=2, batch=32, cnn_rate=5e-3, hybrid_rate=5e-3)


def trainer(space: Space, images: LabelledImages, recipe: Recipe = RECIPE) -> Trainer:
    return Trainer(space=space, images=images, recipe=recipe, device=CPU)


def weights(of: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in of.supernet.state_dict().items()}


def test_it_learns_what_can_be_learned(small_space: Space, four_classes: LabelledImages) -> None:
    recipe = replace(RECIPE, cnn_epochs=6, hybrid_epochs=6)
    # Crops move the bright quadrant by up to a quarter of the image and flips swap left and right,
    # so the class is made the row of the quadrant.
    images = LabelledImages(four_classes.pixels, four_classes.labels // 2)
    training = trainer(small_space, images, recipe)
    while not training.is_finished:
        training.train_epoch(lambda result: None)
    prepared = oracle.prepare(images, precision="fp32", device=CPU)
    for genotype in (small_space.largest(), small_space.smallest()):
        subnet = small_space.decode(genotype)
        statistics = oracle.calibrate(training.supernet, subnet, prepared)
        assert oracle.top1(training.supernet, subnet, prepared, statistics) > 90


def test_phase_one_leaves_transformer_weights_alone(small_space: Space, four_classes: LabelledImages) -> None:
    training = trainer(small_space, four_classes)
    before = weights(training)
    training.train_epoch(lambda result: None)
    training.train_epoch(lambda result: None)
    phase_one = weights(training)
    for name, value in before.items():
        is_vit = "vit_blocks" in name or "positions" in name
        assert torch.equal(value, phase_one[name]) == is_vit, name
    training.train_epoch(lambda result: None)
    changed = [name for name, value in weights(training).items() if not torch.equal(value, phase_one[name])]
    assert any("vit_blocks" in name for name in changed)


def test_same_seed_same_weights_other_seed_other_weights(
    small_space: Space, four_classes: LabelledImages
) -> None:
    runs = []
    for seed in (0, 0, 1):
        training = trainer(small_space, four_classes, replace(RECIPE, seed=seed))
        training.train_epoch(lambda result: None)
        runs.append(weights(training))
    assert all(torch.equal(value, runs[1][name]) for name, value in runs[0].items())
    assert not torch.equal(runs[0]["stem.weight"], runs[2]["stem.weight"])


def test_resumed_training_gives_the_same_bits(
    small_space: Space, four_classes: LabelledImages, tmp_path: Path
) -> None:
    path = tmp_path / "state.safetensors"
    undisturbed = trainer(small_space, four_classes)
    while not undisturbed.is_finished:
        undisturbed.train_epoch(lambda result: None)
    for _ in range(RECIPE.epochs):
        resumed = trainer(small_space, four_classes)
        if path.exists():
            resumed.load(path)
        resumed.train_epoch(lambda result: None)
        resumed.save(path)
    assert resumed.is_finished
    expected = weights(undisturbed)
    assert all(torch.equal(value, expected[name]) for name, value in weights(resumed).items())


def test_another_recipe_is_refused_by_name(
    small_space: Space, four_classes: LabelledImages, tmp_path: Path
) -> None:
    path = tmp_path / "state.safetensors"
    trainer(small_space, four_classes).save(path)
    other = trainer(small_space, four_classes, replace(RECIPE, seed=7, batch=64))
    with pytest.raises(CheckpointError, match=r"seed 0 -> 7; batch 32 -> 64"):
        other.load(path)


def test_weight_decay_spares_norms_biases_and_scales(
    small_space: Space, four_classes: LabelledImages
) -> None:
    supernet = trainer(small_space, four_classes).supernet
    optimizer = make_optimizer(supernet, RECIPE)
    names = {id(parameter): name for name, parameter in supernet.named_parameters()}
    decayed, spared = (
        {names[id(parameter)] for parameter in group["params"]} for group in optimizer.param_groups
    )
    assert optimizer.param_groups[1]["weight_decay"] == 0
    assert len(decayed | spared) == len(names)
    assert "stem.weight" in decayed
    for text in ("norm.weight", "scale", ".bias"):
        assert any(text in name for name in spared)
        assert not any(text in name and "qkv" not in name for name in decayed)


def test_fewer_images_than_a_batch(small_space: Space, four_classes: LabelledImages) -> None:
    with pytest.raises(H4HError, match="batch must be at most the 16 training images, but got 32"):
        trainer(small_space, four_classes[:16])


SCRIPT = """
import sys, torch
from pathlib import Path
from search_space.space import load_space
from supernet.images import LabelledImages
from supernet.training import Recipe, Trainer

torch.set_num_threads(1)
generator = torch.Generator().manual_seed(0)
images = LabelledImages(
    torch.randint(0, 255, (96, 3, 32, 32), generator=generator, dtype=torch.uint8), torch.arange(96) % 10
)
recipe = Recipe(cnn_epochs=2, hybrid_epochs=2, batch=32)
trainer = Trainer(space=load_space("cifar32"), images=images, recipe=recipe, device=torch.device("cpu"))
state = Path(sys.argv[1])
if state.exists():
    trainer.load(state)
print("ready", trainer.epochs_done, flush=True)
while not trainer.is_finished:
    trainer.train_epoch(lambda result: None)
    trainer.save(state)
print("done", flush=True)
"""


@pytest.mark.slow
def test_killed_training_ends_with_the_bits_of_one_never_disturbed(tmp_path: Path) -> None:
    def start(state: Path) -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", SCRIPT, str(state)], stdout=subprocess.PIPE, text=True)

    undisturbed = start(tmp_path / "undisturbed")
    assert undisturbed.communicate()[0].endswith("done\n")
    state = tmp_path / "killed"
    kills = 0
    for delay in (0.1, 1.0, 2.5):
        process = start(state)
        assert process.stdout is not None
        process.stdout.readline()  # imports are over
        time.sleep(delay)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
    assert kills >= 1
    assert start(state).communicate()[0].endswith("done\n")
    assert state.read_bytes() == (tmp_path / "undisturbed").read_bytes()
