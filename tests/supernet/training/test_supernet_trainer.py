"""Training: it learns, phases keep their promises, and it goes on exactly after a kill."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from search_space.errors import H4HError
from search_space.files.yaml_document import parse_document
from search_space.space import Space
from supernet.accuracy import one_subnet
from supernet.checkpoints.header import CheckpointError
from supernet.images.labelled_images import LabelledImages
from supernet.network import number_formats
from supernet.network.supernet_file import load_checkpoint, save_checkpoint
from supernet.training.epoch_result import EpochResult
from supernet.training.optimizer import is_vit
from supernet.training.recipe import Recipe, load_recipe
from supernet.training.soft_labels import SoftLabelHeader, SoftLabels, augmentation, pixel_digest
from supernet.training.supernet_trainer import Trainer
from tests.warm_process import WarmProcess

CPU = torch.device("cpu")
RECIPE = replace(load_recipe("two_phase"), batch=32, precision="fp32").with_phases(epochs=[1], rate=[5e-3])


def trainer(space: Space, images: LabelledImages, recipe: Recipe = RECIPE, **settings: Any) -> Trainer:
    return Trainer(space=space, images=images, recipe=recipe, device=CPU, **settings)


def weights(of: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in of.result.state_dict().items()}


def trained(space: Space, images: LabelledImages, recipe: Recipe = RECIPE, **settings: Any) -> Trainer:
    training = trainer(space, images, recipe, **settings)
    while not training.is_finished:
        training.train_epoch()
    return training


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, second[name]) for name, value in first.items())


def test_it_learns_what_can_be_learned(small_space: Space, four_classes: LabelledImages) -> None:
    # Crops move the bright quadrant by up to a quarter of the image and flips swap left and right,
    # so the class is made the row of the quadrant.
    images = LabelledImages(four_classes.pixels, four_classes.labels // 2)
    training = trained(small_space, images, RECIPE.with_phases(epochs=[6]))
    prepared = one_subnet.prepare(images, precision="fp32", device=CPU)
    for genotype in (small_space.largest(), small_space.smallest()):
        subnet = small_space.decode(genotype)
        statistics = one_subnet.record_statistics(training.supernet, subnet, prepared)
        assert one_subnet.top1(training.supernet, subnet, prepared, statistics) > 90


def test_phase_one_leaves_transformer_weights_alone(small_space: Space, four_classes: LabelledImages) -> None:
    training = trainer(small_space, four_classes)
    before = weights(training)
    training.train_epoch()
    phase_one = weights(training)
    for name, value in before.items():
        assert torch.equal(value, phase_one[name]) == is_vit(name), name
    training.train_epoch()
    changed = [name for name, value in weights(training).items() if not torch.equal(value, phase_one[name])]
    assert any(map(is_vit, changed))
    assert not all(map(is_vit, changed))


@pytest.mark.parametrize("settings", [{}, {"optimizer": "sgd", "conflict": "project"}])
def test_a_frozen_cnn_keeps_every_bit(
    settings: dict[str, str], small_space: Space, four_classes: LabelledImages
) -> None:
    recipe = replace(RECIPE.with_phases(cnn="freeze"), **settings)  # type: ignore[arg-type]
    training = trainer(small_space, four_classes, recipe)
    training.train_epoch()
    before = weights(training)
    training.train_epoch()
    for name, value in weights(training).items():
        assert is_vit(name) or torch.equal(value, before[name]), name
    assert not equal(before, weights(training))


def test_a_low_rate_moves_the_cnn_less(small_space: Space, four_classes: LabelledImages) -> None:
    moved = {}
    for cnn in ("train", "low_lr"):
        training = trainer(small_space, four_classes, RECIPE.with_phases(cnn=cnn))
        training.train_epoch()
        before = weights(training)
        training.train_epoch()
        moved[cnn] = (weights(training)["stem.weight"] - before["stem.weight"]).norm().item()
    assert 0 < moved["low_lr"] < 0.3 * moved["train"]


def test_same_seed_same_weights_other_seed_other_weights(
    small_space: Space, four_classes: LabelledImages
) -> None:
    runs = []
    for seed in (0, 0, 1):
        training = trainer(small_space, four_classes, replace(RECIPE, seed=seed))
        torch.rand(seed + 3)  # whatever else draws
        training.train_epoch()
        runs.append(weights(training))
    assert equal(runs[0], runs[1])
    assert not torch.equal(runs[0]["stem.weight"], runs[2]["stem.weight"])


EVERYTHING = replace(
    RECIPE,
    optimizer="sgd",
    distillation="alpha",
    conflict="project",
    drop_path=0.2,
    ema=0.9,
    mixup=0.2,
    cutmix=1.0,
    rand_augment=1,
    accumulate=2,
    schedule="constant",
    clip=0.0,
)


SELDOM = replace(RECIPE, ema=0.9).with_phases(sampling=["macs", "pareto"], largest_every=[3])
FAMILIES = RECIPE.with_phases(sampling=["family"], largest_every=[2])


def soft_labels(images: LabelledImages, *, views: int = 2, shift: int = 0) -> SoftLabels:
    """Labels that are sure of each image's class, or of one that is `shift` away."""
    header = SoftLabelHeader("f" * 64, {}, pixel_digest(images), augmentation(RECIPE), 3, views, 4)
    sure = torch.eye(4)[(images.labels + shift) % 4] * 0.94 + 0.015
    return SoftLabels(header, sure.half().expand(views, -1, -1), None, f"{shift}" * 64)


@pytest.mark.parametrize(
    ("recipe", "is_taught"),
    [(RECIPE, False), (EVERYTHING, False), (SELDOM, False), (FAMILIES, True), (EVERYTHING, True)],
    ids=["default", "everything", "seldom", "families with soft labels", "everything with soft labels"],
)
def test_resumed_training_gives_the_same_bits(
    recipe: Recipe, is_taught: bool, small_space: Space, four_classes: LabelledImages, tmp_path: Path
) -> None:
    """Each new process of this chain does three steps and is gone in the midst of its epoch."""

    class GoneError(Exception):
        pass

    path = tmp_path / "state.safetensors"
    images = four_classes[:160]  # 5 steps an epoch
    taught: dict[str, Any] = {"soft_labels": soft_labels(images)} if is_taught else {}
    undisturbed = trainer(small_space, images, recipe, **taught)
    results = [undisturbed.train_epoch() for _ in range(recipe.epochs)]
    chain = []
    for _ in range(20):
        resumed = trainer(small_space, images, recipe, **taught)
        if path.exists():
            resumed.load(path)
        if resumed.is_finished:
            break

        def die_at_three(result: EpochResult, state: Trainer = resumed) -> None:
            if result.steps == 3 and not path.exists():
                state.save(path)
                raise GoneError
            if result.steps == 4:
                state.save(path)
                raise GoneError

        try:
            chain.append(resumed.train_epoch(die_at_three))
            resumed.save(path)
        except GoneError:
            continue
    assert resumed.is_finished
    assert chain == results
    assert equal(weights(undisturbed), weights(resumed))
    assert equal(undisturbed.supernet.state_dict(), resumed.supernet.state_dict())


def test_another_training_is_refused_by_name(
    small_space: Space, four_classes: LabelledImages, tmp_path: Path
) -> None:
    path = tmp_path / "state.safetensors"
    trainer(small_space, four_classes).save(path)
    other = replace(RECIPE, seed=7, batch=64).with_phases(cnn="freeze")
    with pytest.raises(CheckpointError) as caught:
        trainer(small_space, four_classes, other).load(path)
    assert "(batch 32 -> 64; phase hybrid: cnn 'train' -> 'freeze'; seed 0 -> 7)" in str(caught.value)
    with pytest.raises(CheckpointError, match="number of images 256 -> 250"):
        trainer(small_space, four_classes[:250]).load(path)
    others = LabelledImages(four_classes.pixels.flip(0), four_classes.labels.flip(0))
    with pytest.raises(CheckpointError, match=r"\(classes of the images '\w+' -> '\w+'\)"):
        trainer(small_space, others).load(path)


@pytest.mark.parametrize(("began", "elsewhere"), [(True, False), (False, True)])
def test_auto_goes_on_in_the_precision_that_it_began_with(
    small_space: Space,
    four_classes: LabelledImages,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    began: bool,
    elsewhere: bool,
) -> None:
    path, recipe = tmp_path / "state.safetensors", replace(RECIPE, precision="auto")
    monkeypatch.setattr(number_formats, "_CPU_MULTIPLIES_BF16", began)
    first = trainer(small_space, four_classes, recipe)
    first.save(path)
    monkeypatch.setattr(number_formats, "_CPU_MULTIPLIES_BF16", elsewhere)
    second = trainer(small_space, four_classes, recipe)
    assert second.recipe.precision != first.recipe.precision
    second.load(path)
    assert second.recipe.precision == first.recipe.precision == ("bf16" if began else "fp32")
    chosen = trainer(small_space, four_classes, replace(RECIPE, precision="fp32" if began else "bf16"))
    with pytest.raises(CheckpointError, match=r"\(precision '\w+' -> '\w+'\)"):
        chosen.load(path)


def test_accumulation_changes_batch_norm_alone(small_space: Space, four_classes: LabelledImages) -> None:
    """The gradient of a batch in two parts is the mean of the parts' gradients."""
    recipe = replace(RECIPE, optimizer="sgd", momentum=0.0, weight_decay=0.0, warm_up_epochs=0.0)
    # One image that is its own mirror, over and over: both parts have the statistics of the whole batch.
    pixels = torch.maximum(four_classes.pixels[:1], four_classes.pixels[:1].flip(-1))
    images = LabelledImages(pixels.repeat(32, 1, 1, 1), four_classes.labels[:1].repeat(32))
    recipe = replace(recipe, crop_padding=0)
    start = weights(trainer(small_space, images, recipe))
    whole, parts = (
        weights(trained(small_space, images, replace(recipe, accumulate=accumulate))) for accumulate in (1, 2)
    )
    assert not equal(start, whole)
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-3, atol=1e-5)


def test_the_average_is_what_is_saved(small_space: Space, four_classes: LabelledImages) -> None:
    training = trainer(small_space, four_classes, replace(RECIPE, ema=0.5))
    assert equal(weights(training), training.supernet.state_dict())
    steps: list[Tensor] = []
    training.train_epoch(lambda result: steps.append(training.supernet.stem.weight.detach().clone()))
    steps.append(training.supernet.stem.weight.detach())
    expected = steps[0]
    for step in steps[1:]:
        expected = 0.5 * expected + 0.5 * step
    torch.testing.assert_close(training.result.stem.weight, expected)
    assert not torch.equal(training.result.stem.weight, training.supernet.stem.weight)


def test_it_starts_from_a_checkpoint(
    small_space: Space, four_classes: LabelledImages, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, trained(small_space, four_classes).result)
    again = trainer(small_space, four_classes, replace(RECIPE, seed=5), start=path)
    assert equal(weights(again), load_checkpoint(path).state_dict())
    state = tmp_path / "state.safetensors"
    again.save(state)
    with pytest.raises(CheckpointError, match=r"start '[0-9a-f]+' -> None"):
        trainer(small_space, four_classes, replace(RECIPE, seed=5)).load(state)


def test_a_loss_that_is_not_finite_stops_training_and_names_the_step(
    small_space: Space, four_classes: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = trainer(small_space, four_classes)
    training.train_epoch()
    steps = []
    message = r"infinite or NaN in epoch 2 \(phase 'hybrid'\), step 4: lower the learning rate of that phase"

    def spoil(result: EpochResult) -> None:
        steps.append(result.steps)
        if result.steps == 3:
            with torch.no_grad():
                training.supernet.classifier.weight[0, 0] = float("nan")

    with pytest.raises(H4HError, match=message):
        training.train_epoch(spoil)
    assert steps == [1, 2, 3]
    # The same, seen late, as on a GPU, where only every 16th step is looked at.
    monkeypatch.setattr("supernet.training.supernet_trainer.CHECK_STEPS", {"cpu": 16})
    training = trainer(small_space, four_classes)
    training.train_epoch()
    original = training._step

    def step(*arguments: Any) -> Tensor:
        record = original(*arguments)
        if training.steps_done == 3:
            record[1, 0] = float("inf")
        return record

    monkeypatch.setattr(training, "_step", step)
    with pytest.raises(H4HError, match=message):
        training.train_epoch(lambda result: pytest.fail("nothing may be saved"))


def test_a_gradient_that_is_not_finite_stops_it_as_well(
    small_space: Space, four_classes: LabelledImages
) -> None:
    training = trainer(small_space, four_classes)
    stem: Any = training.supernet.stem.weight
    stem.register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(H4HError, match=r"epoch 1 \(phase 'cnn'\), step 1"):
        training.train_epoch()


def test_measured_training_gives_the_bits_of_unmeasured(
    small_space: Space, four_classes: LabelledImages
) -> None:
    recipe = replace(RECIPE.with_phases(cnn="freeze"), drop_path=0.2, mixup=0.2)
    images = four_classes[:128]  # 4 steps an epoch; all but the last are reported
    undisturbed = trained(small_space, images, recipe)
    measured = trainer(small_space, images, recipe)
    reports = []
    while not measured.is_finished:
        measured.train_epoch(lambda result: reports.append(measured.measure_conflict()))
        assert measured.measure_conflict() == measured.measure_conflict()
    assert len(set(map(str, reports))) == len(reports) == 6  # weights change, and what is measured with them
    assert equal(weights(undisturbed), weights(measured))


def test_a_space_without_transformer_blocks_cannot_freeze_its_cnn(
    small_space: Space, four_classes: LabelledImages
) -> None:
    data = small_space.to_dict()
    for stage in data["stages"]:
        stage.update(vit_depth=[0], vit=None)
    plain = parse_document(Space, data, source="plain")
    with pytest.raises(H4HError, match="phase 'hybrid' freezes the CNN, but space 'small' has nothing else"):
        trainer(plain, four_classes, RECIPE.with_phases(cnn="freeze"))
    trainer(plain, four_classes)


def test_fewer_images_than_a_batch(small_space: Space, four_classes: LabelledImages) -> None:
    with pytest.raises(H4HError, match="batch must be at most the 16 training images, but got 32"):
        trainer(small_space, four_classes[:16])


def test_results_tell_the_kinds_apart(small_space: Space, four_classes: LabelledImages) -> None:
    recipe = replace(load_recipe("progressive"), batch=32, precision="fp32").with_phases(epochs=[1])
    training = trainer(small_space, four_classes, recipe)
    kinds = [set(training.train_epoch().scores) for _ in range(4)]
    assert kinds == [{"largest"}, *[{"largest", "smallest", "random"}] * 3]


@pytest.mark.slow
def test_compiled_training_is_the_same_but_for_rounding(
    small_space: Space, four_classes: LabelledImages
) -> None:
    # The largest network alone: each other one would take the compiler as long again.
    (phase,) = load_recipe("joint").phases
    recipe = replace(RECIPE, phases=(replace(phase, epochs=2, random_subnets=0, elastic=()),))
    plain = trainer(small_space, four_classes[:64], recipe)
    compiled = trainer(small_space, four_classes[:64], recipe, compiled=True)
    for _ in range(2):
        expected, result = plain.train_epoch(), compiled.train_epoch()
        assert result.scores["largest"].loss == pytest.approx(expected.scores["largest"].loss, rel=1e-3)
    assert not torch.equal(plain.supernet.stem.weight, compiled.supernet.stem.weight)


SCRIPT = """
import json, sys, torch
from dataclasses import replace
from pathlib import Path
from search_space.files.yaml_document import parse_document
from search_space.space import Space
from supernet.images.labelled_images import LabelledImages
from supernet.training.recipe import load_recipe
from supernet.training.supernet_trainer import Trainer

torch.set_num_threads(1)
generator = torch.Generator().manual_seed(0)
images = LabelledImages(
    torch.randint(0, 255, (128, 3, 16, 16), generator=generator, dtype=torch.uint8), torch.arange(128) % 4
)
recipe = replace(load_recipe("two_phase"), batch=32, ema=0.9, precision="fp32").with_phases(epochs=[2])
space = parse_document(Space, json.loads(sys.argv[2]), source="small")
trainer = Trainer(space=space, images=images, recipe=recipe, device=torch.device("cpu"))
state = Path(sys.argv[1])
if state.exists():
    trainer.load(state)
print("ready", trainer.epochs_done, trainer.steps_done, flush=True)
while not trainer.is_finished:
    trainer.train_epoch(lambda result: trainer.save(state))
    trainer.save(state)
print("done", flush=True)
"""


@pytest.mark.slow
def test_killed_training_ends_with_the_bits_of_one_never_disturbed(tmp_path: Path, small_text: str) -> None:
    def start(state: Path) -> WarmProcess:
        return WarmProcess(["-c", SCRIPT, str(state), small_text], environment=os.environ)

    undisturbed = start(tmp_path / "undisturbed")
    assert undisturbed.communicate()[0].endswith("done\n")
    state = tmp_path / "killed"
    kills = 0
    for delay in (0.1, 0.5, 1.5):
        process = start(state)
        process.stdout.readline()  # imports are over
        time.sleep(delay)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
    assert kills >= 1
    assert start(state).communicate()[0].endswith("done\n")
    assert state.read_bytes() == (tmp_path / "undisturbed").read_bytes()
