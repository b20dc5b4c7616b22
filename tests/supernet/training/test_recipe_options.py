"""Options of a training command, and the recipe that they give."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import pytest

from supernet.training.phases import Phase
from supernet.training.recipe import Recipe, load_recipe
from supernet.training.recipe_options import (
    HELP,
    MOST_WORKERS,
    SETTINGS,
    add_phase_settings,
    add_settings,
    reading_processes,
    recipe_with,
)

RECIPE = load_recipe("two_phase")


def recipe_of(*words: str) -> Recipe:
    parser = argparse.ArgumentParser()
    add_settings(parser.add_argument, SETTINGS, HELP)
    add_phase_settings(parser.add_argument)
    return recipe_with("two_phase", vars(parser.parse_args(words)))


def changed(part: Any, values: dict[str, Any]) -> Any:
    """A recipe or a phase with other values."""
    return replace(part, **values)


def phase_values(name: str, recipe: Recipe) -> list[object]:
    return [getattr(phase, name) for phase in recipe.phases]


def test_without_options_the_recipe_stays() -> None:
    assert recipe_of() == RECIPE


@pytest.mark.parametrize(
    ("words", "setting", "value"),
    [
        (("--batch", "48"), "batch", 48),
        (("--ema", "0.5"), "ema", 0.5),
        (("--optimizer", "sgd"), "optimizer", "sgd"),
        (("--label-smoothing", "0"), "label_smoothing", 0.0),
        (("--class-weights", "balanced"), "class_weights", "balanced"),
    ],
)
def test_setting_takes_the_place_of_the_recipe_s(words: tuple[str, str], setting: str, value: Any) -> None:
    assert getattr(RECIPE, setting) != value
    assert recipe_of(*words) == changed(RECIPE, {setting: value})


@pytest.mark.parametrize(
    ("words", "name", "values"),
    [
        (("--epochs", "3,4"), "epochs", [3, 4]),
        (("--epochs", "3"), "epochs", [3, 3]),
        (("--rate", "0.5,0.25"), "rate", [0.5, 0.25]),
        (("--random-subnets", "5"), "random_subnets", [5, 5]),
        (("--largest-every", "6,7"), "largest_every", [6, 7]),
        (("--sampling", "macs,pareto"), "sampling", ["macs", "pareto"]),
    ],
)
def test_setting_of_the_phases_changes_nothing_else(
    words: tuple[str, str], name: str, values: list[Any]
) -> None:
    recipe = recipe_of(*words)
    assert phase_values(name, recipe) == values != phase_values(name, RECIPE)
    others: list[Phase] = [
        changed(phase, {name: value}) for phase, value in zip(RECIPE.phases, values, strict=True)
    ]
    assert recipe == replace(RECIPE, phases=tuple(others))


def test_processes_that_read_are_shared_by_those_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reading_processes(3) == 3
    assert reading_processes(0) == 0
    monkeypatch.setattr("os.cpu_count", lambda: 12)
    assert reading_processes(None) == 12
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert reading_processes(None) == 3
    monkeypatch.setattr("os.cpu_count", lambda: 1000)
    assert reading_processes(None) == MOST_WORKERS


def test_options_hold_their_defaults_where_no_recipe_gives_them() -> None:
    parser = argparse.ArgumentParser()
    some = [field for field in SETTINGS if field.name in ("batch", "ema")]
    add_settings(parser.add_argument, some, HELP, {"batch": 7})
    assert vars(parser.parse_args([])) == {"batch": 7, "ema": Recipe.ema}
    without = argparse.ArgumentParser()
    add_settings(without.add_argument, some, HELP)
    assert vars(without.parse_args([])) == {"batch": None, "ema": None}
