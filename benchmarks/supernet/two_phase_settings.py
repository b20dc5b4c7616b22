"""Settings of the ablation of two-phase training, and its budgets.

All settings show the same images in the same number of epochs, except the shorter trainings of `joint`. The
work differs: a step trains as many subnets as its recipe says, and a phase without transformer blocks is
cheaper. So the primary comparison is made at equal work: the accuracy of `joint` is interpolated between its
three lengths, at the CPU time of the other setting, seed by seed.

The primary measure is the mean top-1 of random subnets, equally many of each family. It was fixed before any
run.
"""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path

from search_space.errors import H4HError
from supernet.training.phases import CNN_MODES
from supernet.training.recipe import Recipe
from supernet.training.recipe_options import HELP, add_phase_settings, add_settings, recipe_with
from supernet.training.recipe_options import SETTINGS as RECIPE_SETTINGS

BASELINE, SHORTER = "joint", ("joint-seven-eighths", "joint-six-eighths")
PURE_CNN = "cnn"


@dataclass(frozen=True)
class Budget:
    """Amount of training and measurement.

    Attributes:
        space: Search space: a name or a file.
        seeds: Number of seeds, from 0; each trains every setting once.
        main_seeds: Number of seeds of the settings that the primary comparison needs.
        epochs: Epochs of each training over all its phases; equal epochs mean equally many images.
        subnets: Random subnets scored per family.
        search_images: Images that score a subnet, held out of training.
        calibration_images: Training images that record its batch-norm statistics; conflict after training is
            measured on them, too.
        conflict_epochs: Epochs between two measurements of conflict during training.
        about: Text beside the figures.
    """

    space: str
    seeds: int
    main_seeds: int
    epochs: int
    subnets: int
    search_images: int
    calibration_images: int
    conflict_epochs: int
    about: str


SMALL_SPACE = str(Path(__file__).with_name("two_phase_small.yaml"))

BUDGETS = {
    "smoke": Budget(
        space=SMALL_SPACE,
        seeds=2,
        main_seeds=2,
        epochs=4,
        subnets=2,
        search_images=20,
        calibration_images=64,
        conflict_epochs=2,
        about="A trial of the command. Its figures say nothing.",
    ),
    "small": Budget(
        space=SMALL_SPACE,
        seeds=3,
        main_seeds=5,
        epochs=8,
        subnets=50,
        search_images=1000,
        calibration_images=512,
        conflict_epochs=1,
        about="A small space at low resolution and a short training, chosen so that two CPU cores finish all "
        "of it within about three hours. Differences after a full training may be others.",
    ),
    "full": Budget(
        space="cifar32",
        seeds=3,
        main_seeds=5,
        epochs=110,
        subnets=50,
        search_images=5000,
        calibration_images=1024,
        conflict_epochs=5,
        about="The whole space `cifar32`, twice as long as the recipes.",
    ),
}


@dataclass(frozen=True)
class Setting:
    """One way of training.

    Attributes:
        recipe: Name of a recipe.
        options: Options of `supernet.train` that change the recipe.
        share: Share of the budget's epochs.
        is_main: Whether the primary comparison needs it.
        has_hybrids: Whether transformer blocks are trained at all.
    """

    recipe: str
    options: tuple[str, ...] = ()
    share: float = 1.0
    is_main: bool = False
    has_hybrids: bool = True


SETTINGS = {
    BASELINE: Setting("joint", is_main=True),
    SHORTER[0]: Setting("joint", share=7 / 8, is_main=True),
    SHORTER[1]: Setting("joint", share=6 / 8, is_main=True),
    **{
        f"two_phase-{mode}": Setting("two_phase", ("--cnn", mode), is_main=mode == "train")
        for mode in CNN_MODES
    },
    "two_phase-vit-rate-3": Setting("two_phase", ("--vit-lr-factor", "3")),
    "joint-family": Setting("joint", ("--sampling", "family")),
    "two_phase-family": Setting("two_phase", ("--sampling", "uniform,family")),
    "joint-project": Setting("joint", ("--conflict", "project")),
    "joint-alpha": Setting("joint", ("--distillation", "alpha")),
    "progressive": Setting("progressive"),
    PURE_CNN: Setting("cnn", has_hybrids=False),
}


def recipe_of(setting: str, epochs: int) -> Recipe:
    """Recipe of a setting with its share of `epochs`, at least one a phase."""
    chosen = SETTINGS[setting]
    parser = ArgumentParser()
    add_phase_settings(parser.add_argument)
    add_settings(parser.add_argument, RECIPE_SETTINGS, HELP)
    recipe = recipe_with(chosen.recipe, vars(parser.parse_args(chosen.options)))
    return recipe.with_phases(epochs=scaled_epochs(recipe, round(chosen.share * epochs)))


def scaled_epochs(recipe: Recipe, total: int) -> list[int]:
    """Epochs of each phase in the proportions of the recipe: at least 1 each, `total` together.

    Raises:
        H4HError: There are more phases than epochs.
    """
    if total < len(recipe.phases):
        raise H4HError(f"epochs must be at least {len(recipe.phases)}, one for each phase, but got {total}")
    shares = [phase.epochs * total / recipe.epochs for phase in recipe.phases]
    epochs = [max(1, int(share)) for share in shares]
    while sum(epochs) != total:
        step = 1 if sum(epochs) < total else -1
        # The phase that is furthest from its share gets or gives the next epoch.
        changeable = [number for number, count in enumerate(epochs) if count + step >= 1]
        chosen = max(changeable, key=lambda number: step * (shares[number] - epochs[number]))
        epochs[chosen] += step
    return epochs
