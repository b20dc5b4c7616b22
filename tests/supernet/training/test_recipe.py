"""Recipes: the built-in ones, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from search_space.errors import DocumentError, H4HError
from supernet.training.phases import CHOICES
from supernet.training.recipe import Recipe, known_recipes, load_recipe


def test_two_phase_is_the_default_with_its_numbers() -> None:
    recipe = load_recipe("two_phase")
    assert [
        (phase.name, phase.epochs, phase.rate, phase.random_subnets, phase.vit) for phase in recipe.phases
    ] == [
        ("cnn", 25, 2e-3, 1, False),
        ("hybrid", 30, 2e-3, 2, True),
    ]
    assert (recipe.batch, recipe.weight_decay, recipe.label_smoothing, recipe.clip) == (128, 0.05, 0.1, 1.0)
    assert (recipe.optimizer, recipe.distillation, recipe.conflict, recipe.ema) == ("adamw", "kl", "sum", 0)


def test_all_built_in_recipes_show_as_many_images() -> None:
    assert known_recipes() == ("cnn", "imagenet", "joint", "long", "progressive", "two_phase")
    epochs = {name: load_recipe(name).epochs for name in known_recipes()}
    assert epochs == {**dict.fromkeys(epochs, 55), "imagenet": 300, "long": 150}
    assert not any(phase.vit for phase in load_recipe("cnn").phases)
    assert [phase.vit for phase in load_recipe("joint").phases] == [True]


def test_long_trains_families_equally_and_the_largest_seldom() -> None:
    recipe = load_recipe("long")
    (phase,) = recipe.phases
    assert (phase.sampling, phase.largest_every, phase.random_subnets) == ("family", 4, 3)
    assert phase.epochs >= 150
    assert recipe.ema > 0
    assert {phase.sampling for phase in load_recipe("two_phase").phases} == {"uniform"}
    assert {phase.largest_every for phase in load_recipe("two_phase").phases} == {1}


def test_progressive_frees_more_and_more() -> None:
    freed = [
        set(CHOICES if phase.elastic is None else phase.elastic)
        for phase in load_recipe("progressive").phases
    ]
    assert freed[0] == set()
    assert freed[-1] == set(CHOICES)
    assert all(less < more for less, more in pairwise(freed))


GOOD = "phases: [{name: a, epochs: 1, rate: 0.1, random_subnets: 1}]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "batches: 3\n", "unknown key 'batches'"),
        ("batch: 32\n", "phases: this key is missing"),
        ("phases: []\n", "phases must list at least one phase"),
        (GOOD.replace("rate", "speed"), "unknown key 'speed'"),
        (GOOD.replace("epochs: 1", "epochs: 0"), "phase 'a': epochs must be at least 1, but got 0"),
        (GOOD.replace("epochs: 1", "epochs: 1.5"), "epochs: invalid value 1.5"),
        (GOOD.replace("0.1", "-0.1"), "phase 'a': rate must be above 0 and at most 1000, but got -0.1"),
        (GOOD.replace("0.1", ".nan"), "phase 'a': rate must be above 0 and at most 1000, but got nan"),
        (GOOD.replace("subnets: 1", "subnets: -1"), "subnets must be at least 0 and at most 1000, but"),
        (GOOD.replace("}", ", cnn: thaw}"), "unknown treatment of the CNN in phase 'a' 'thaw'"),
        (GOOD.replace("}", ", vit: false, cnn: freeze}"), "leaves nothing to train"),
        (GOOD.replace("}", ", sampling: families}"), "unknown sampling in phase 'a' 'families'"),
        (GOOD.replace("}", ", sampling: family, elastic: [kernel]}"), "lacks downsampling, conv_depth"),
        (GOOD.replace("}", ", sampling: pareto, elastic: [kernel]}"), "the phase has elastic choices"),
        (GOOD.replace("}", ", sampling: pareto, vit: false}"), "the phase has vit: false"),
        (GOOD.replace("}", ", largest_every: 0}"), "largest_every must be at least 1 and at most 1000000"),
        (GOOD.replace("}", ", low_lr_factor: 1.5}"), "low_lr_factor must be above 0 and at most 1, but got"),
        (GOOD.replace("}", ", vit_lr_factor: 0}"), "vit_lr_factor must be above 0 and at most 1000, but got"),
        (GOOD.replace("}", ", elastic: [kernels]}"), "did you mean 'kernel'?"),
        (GOOD.replace("}]", "}, {name: a, epochs: 1, rate: 1, random_subnets: 0}]"), "different names"),
        (GOOD + "schedule: step\n", "unknown schedule 'step': must be one of cosine, constant"),
        (GOOD + "optimizer: adam\n", "unknown optimizer 'adam': must be one of adamw, sgd"),
        (GOOD + "distillation: js\n", "unknown distillation 'js': must be one of kl, alpha"),
        (GOOD + "conflict: pcgrad\n", "unknown conflict 'pcgrad': must be one of sum, project"),
        (GOOD + "precision: fp8\n", "unknown precision 'fp8'"),
        (GOOD + "batch: 1\n", "batch must be at least 2 and at most 1000000, but got 1"),
        (GOOD + "batch: 10\naccumulate: 4\n", "batch 10 and accumulate 4"),
        (GOOD + "batch: 4\naccumulate: 4\n", "parts of 2 images or more"),
        (GOOD + "label_smoothing: 1\n", "label_smoothing must be at least 0 and below 1, but got 1.0"),
        (GOOD + "ema: 1\n", "ema must be at least 0 and below 1"),
        (GOOD + "drop_path: -0.1\n", "drop_path must be at least 0 and below 1"),
        (GOOD + "magnitude: 31\n", "magnitude must be at least 0 and at most 30"),
        (GOOD + "crop_scale: 0\n", "crop_scale must be above 0 and at most 1, but got 0"),
        (GOOD + "seed: -1\n", "seed must be at least 0"),
        (GOOD + "clip: .inf\n", "clip must be at least 0 and at most 1000000, but got inf"),
        (GOOD + "flip: 1.5\n", "flip must be at least 0 and at most 1, but got 1.5"),
        (GOOD + "flip: .nan\n", "flip must be at least 0 and at most 1, but got nan"),
        (GOOD + "fit: stretch\n", "unknown fit 'stretch': must be one of crop, pad, squash"),
        (GOOD + "class_weights: yes\n", "class_weights"),
        (GOOD + "batch_norm: synced\n", "unknown batch_norm 'synced': must be one of global, local"),
        (GOOD + "mirror: true\n", "unknown key 'mirror'"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(H4HError) as caught:
        load_recipe(str(path))
    assert message in str(caught.value)
    assert "mine.yaml" in str(caught.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(H4HError, match=r"unknown recipe 'two_phases': .* did you mean 'two_phase'\?"):
        load_recipe("two_phases")


def test_phases_are_overridden_one_by_one_or_all_at_once() -> None:
    recipe = load_recipe("two_phase").with_phases(epochs=[3], rate=[1e-3, 5e-4], cnn="freeze")
    assert [phase.epochs for phase in recipe.phases] == [3, 3]
    assert [phase.rate for phase in recipe.phases] == [1e-3, 5e-4]
    assert [phase.cnn for phase in recipe.phases] == ["train", "freeze"]
    assert [phase.random_subnets for phase in recipe.phases] == [1, 2]
    other = recipe.with_phases(sampling=["macs", "family"], largest_every=[5])
    assert [phase.sampling for phase in other.phases] == ["macs", "family"]
    assert [phase.largest_every for phase in other.phases] == [5, 5]
    with pytest.raises(DocumentError, match=r"one for each phase \(cnn, hybrid\), but got 3"):
        recipe.with_phases(epochs=[1, 2, 3])
    with pytest.raises(DocumentError, match="epochs must be at least 1, but got 0"):
        recipe.with_phases(epochs=[1, 0])


def test_a_recipe_survives_its_own_dictionary() -> None:
    recipe: Recipe = replace(load_recipe("progressive"), mixup=0.2)
    assert Recipe.from_dict(recipe.to_dict()) == recipe
