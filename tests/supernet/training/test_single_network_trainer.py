"""Training of one plain network: it learns, goes on exactly, and stops where the loss is lost."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from search_space.errors import H4HError
from search_space.space import Space
from supernet.accuracy import one_subnet
from supernet.checkpoints.header import CheckpointError
from supernet.checkpoints.image_input import BALANCED, CLASS_WEIGHTS, NONE
from supernet.images.labelled_images import LabelledImages, normalised
from supernet.network import number_formats
from supernet.network.extraction import extract
from supernet.network.supernet import Supernet
from supernet.training import single_network_trainer
from supernet.training.recipe import Recipe
from supernet.training.single_network_trainer import NOT_USED, FineTuning, make_recipe, network_top1

CPU = torch.device("cpu")
RECIPE = make_recipe(epochs=2, rate=5e-3, batch=32)


def tuning(
    space: Space,
    images: LabelledImages,
    recipe: Recipe = RECIPE,
    *,
    subnet: str = "max",
    origin: str = "test",
) -> FineTuning:
    torch.manual_seed(0)
    network = extract(Supernet(space), space.decode(space.parse(subnet)))
    return FineTuning(network=network, images=images, recipe=recipe, device=CPU, origin=origin)


def state(of: FineTuning) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in of.network.state_dict().items()}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_it_learns_what_can_be_learned(
    small_space: Space, four_classes: LabelledImages, precision: str
) -> None:
    # Flips swap left and right, so the class is made the row of the bright quadrant.
    images = LabelledImages(four_classes.pixels, four_classes.labels // 2)
    training = tuning(small_space, images, make_recipe(epochs=8, rate=5e-3, batch=32, precision=precision))
    prepared = one_subnet.prepare(images, precision="fp32", device=CPU)
    assert network_top1(training.network, prepared.batches) < 90
    while not training.is_finished:
        training.train_epoch()
    assert network_top1(training.network, prepared.batches) > 90


@pytest.mark.parametrize(("flip", "least", "most"), [(0.0, 95, 100), (0.5, 0, 75)])
def test_a_mirrored_pair_can_only_be_learned_without_flips(
    small_space: Space, four_classes: LabelledImages, flip: float, least: float, most: float
) -> None:
    """The class is the column of the bright quadrant: each image is the mirror image of the other class."""
    images = LabelledImages(four_classes.pixels, four_classes.labels % 2)
    training = tuning(small_space, images, make_recipe(epochs=8, rate=5e-3, batch=32, flip=flip))
    while not training.is_finished:
        training.train_epoch()
    prepared = one_subnet.prepare(images, precision="fp32", device=CPU)
    assert least <= network_top1(training.network, prepared.batches) <= most


def test_balanced_classes_find_the_rare_one(small_space: Space, four_classes: LabelledImages) -> None:
    """Pixels say nothing of the class, so equal weights end with the frequent one."""
    pixels = torch.full_like(four_classes.pixels, 128)
    images = LabelledImages(pixels, (torch.arange(len(pixels)) % 8 == 0).long())
    chances = {}
    for kind in CLASS_WEIGHTS:
        training = tuning(small_space, images, make_recipe(epochs=6, rate=5e-3, batch=32, class_weights=kind))
        while not training.is_finished:
            training.train_epoch()
        scores = training.network.eval()(normalised(pixels[:1], torch.float32))[0, :2]
        chances[kind] = scores.softmax(0)[1].item()
    assert chances[NONE] < 0.3
    assert 0.4 < chances[BALANCED] < 0.6


def test_top1_counts_right_classes(small_space: Space, four_classes: LabelledImages) -> None:
    network = tuning(small_space, four_classes).network
    prepared = one_subnet.prepare(four_classes, precision="fp32", device=CPU)
    with torch.no_grad():
        logits = torch.cat([network.eval()(batch) for batch, _ in prepared.batches])
    right = (logits.argmax(1) == four_classes.labels).sum().item()
    assert network_top1(network, prepared.batches) == 100 * right / 256


def test_resumed_training_gives_the_same_bits(
    small_space: Space, four_classes: LabelledImages, tmp_path: Path
) -> None:
    path = tmp_path / "state.safetensors"
    undisturbed = tuning(small_space, four_classes)
    while not undisturbed.is_finished:
        undisturbed.train_epoch()
    for _ in range(RECIPE.epochs):
        resumed = tuning(small_space, four_classes)
        if path.exists():
            resumed.load(path)
        resumed.train_epoch()
        resumed.save(path)
    assert resumed.is_finished
    expected = state(undisturbed)
    assert all(torch.equal(value, expected[name]) for name, value in state(resumed).items())


def test_another_training_is_refused_by_name(
    small_space: Space, four_classes: LabelledImages, tmp_path: Path
) -> None:
    path = tmp_path / "state.safetensors"
    tuning(small_space, four_classes).save(path)
    with pytest.raises(CheckpointError, match=r"rate 0.005 -> 0.1; seed 0 -> 7"):
        tuning(small_space, four_classes, make_recipe(epochs=2, rate=0.1, batch=32, seed=7)).load(path)
    with pytest.raises(CheckpointError, match="network "):
        tuning(small_space, four_classes, subnet="min").load(path)
    with pytest.raises(CheckpointError, match=r"of test' -> .* of other'"):
        tuning(small_space, four_classes, origin="other").load(path)


@pytest.mark.parametrize("poison", ["weights", "rate"])
def test_a_loss_that_is_not_finite_names_epoch_and_step(
    small_space: Space, four_classes: LabelledImages, monkeypatch: pytest.MonkeyPatch, poison: str
) -> None:
    if poison == "rate":
        # No recipe may have such a rate.
        monkeypatch.setattr(single_network_trainer, "learning_rate", lambda *_, **__: 1e30)
        training = tuning(small_space, four_classes)
        match = r"became infinite or NaN in epoch 1, step [2-8] "
    else:
        training = tuning(small_space, four_classes)
        training.train_epoch()
        with torch.no_grad():
            training.network.classifier.bias[0] = math.nan
        match = r"became infinite or NaN in epoch 2, step 1 \(the result of the 1 epochs before it is kept\)"
    with pytest.raises(H4HError, match=match):
        training.train_epoch()


def test_scores_that_are_not_finite_are_no_accuracy(small_space: Space, four_classes: LabelledImages) -> None:
    network = tuning(small_space, four_classes).network
    with torch.no_grad():
        network.classifier.bias[0] = math.nan
    with pytest.raises(H4HError, match="class scores that are not finite"):
        network_top1(network, one_subnet.stream(four_classes, precision="fp32", device=CPU))


def test_auto_goes_on_in_the_precision_that_it_began_with(
    small_space: Space, four_classes: LabelledImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, recipe = tmp_path / "state.safetensors", make_recipe(epochs=2, rate=5e-3, batch=32)
    monkeypatch.setattr(number_formats, "_CPU_MULTIPLIES_BF16", True)
    tuning(small_space, four_classes, recipe).save(path)
    monkeypatch.setattr(number_formats, "_CPU_MULTIPLIES_BF16", False)
    second = tuning(small_space, four_classes, recipe)
    assert second.recipe.precision == "fp32"
    second.load(path)
    assert second.recipe.precision == "bf16"
    chosen = tuning(small_space, four_classes, replace(recipe, precision="fp32"))
    with pytest.raises(CheckpointError, match="precision 'bf16' -> 'fp32'"):
        chosen.load(path)


def test_fewer_images_than_a_batch(small_space: Space, four_classes: LabelledImages) -> None:
    with pytest.raises(H4HError, match="batch must be at most the 16 training images, but got 32"):
        tuning(small_space, four_classes[:16])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"rate": math.nan}, "rate must be above 0 and at most 1000"),
    ],
)
def test_recipe_out_of_range(change: dict[str, Any], message: str) -> None:
    with pytest.raises(H4HError, match=message):
        make_recipe(**{"epochs": 1, "rate": 0.1, **change})


def test_mixed_images_and_sgd(small_space: Space, four_classes: LabelledImages) -> None:
    recipe = make_recipe(epochs=1, rate=0.05, batch=32, optimizer="sgd", mixup=0.2, cutmix=1.0)
    training = tuning(small_space, four_classes, recipe)
    before = state(training)
    score = training.train_epoch()
    assert 0 < score.loss < 10
    assert 0 <= score.accuracy <= 100
    assert not torch.equal(before["stem.conv.weight"], state(training)["stem.conv.weight"])


def test_settings_without_use_are_settings() -> None:
    assert set(NOT_USED) < RECIPE.to_dict().keys()
