"""The sampler that `--sampler auto` stands for, and why."""

from __future__ import annotations

import math

from studies.study.settings import AUTO, PREDICTING, StudySettings
from studies.study.study import Study

PLAIN = "nsga2"
MOST_EVALUATIONS = 500
"""Largest planned number of evaluations for which `auto` predicts. Beyond it, predictions save little."""


def chosen_sampler(
    settings: StudySettings, *, is_expensive: bool, stored: Study | None, carried: int = 0
) -> str:
    """Name of the sampler of a study.

    A sampler that the settings name is taken. A stored study keeps its sampler, also with larger limits.
    Otherwise `PREDICTING` is chosen for at most `MOST_EVALUATIONS` planned evaluations of an expensive
    objective, unless racing scores networks on some images only; else `PLAIN`.

    Args:
        settings: Settings of the study.
        is_expensive: Whether an objective, or a limited quantity, is expensive.
        stored: The stored study; None for a new one.
        carried: Number of networks that ``--warm-start --all`` brings. They are no evaluations that
            predictions could save.
    """
    if settings.sampler != AUTO:
        return settings.sampler
    if stored is not None:
        return str(stored.settings.get("sampler", PLAIN))
    is_predicted = is_expensive and not settings.racing and planned(settings, carried) <= MOST_EVALUATIONS
    return PREDICTING if is_predicted else PLAIN


def planned(settings: StudySettings, carried: int = 0) -> float:
    """Largest number of evaluations that the stop rules allow, of networks that no earlier study brings.

    Infinite if no rule limits it. A first generation of brought networks may be larger than the others.

    Args:
        settings: Settings of the study.
        carried: Number of networks that earlier studies bring.
    """
    rules = settings.stop_rules()
    by_generations = rules.get("generations", math.inf) * settings.population
    return float(min(max(rules.get("evaluations", math.inf) - carried, 0), by_generations))
