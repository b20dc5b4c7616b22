"""The sampler that `--sampler auto` stands for, and why."""

from __future__ import annotations

import math

from studies.study.settings import AUTO, PREDICTING, StudySettings
from studies.study.study import Study

PLAIN = "nsga2"
MOST_EVALUATIONS = 500
"""Largest planned number of evaluations for which `auto` predicts. Beyond it, predictions save little."""


def chosen_sampler(settings: StudySettings, *, is_expensive: bool, stored: Study | None) -> str:
    """Name of the sampler of a study.

    A sampler that the settings name is taken. A stored study keeps its sampler, also with larger limits.
    Otherwise `PREDICTING` is chosen for at most `MOST_EVALUATIONS` planned evaluations of an expensive
    objective, unless racing scores networks on some images only; else `PLAIN`.

    Args:
        settings: Settings of the study.
        is_expensive: Whether an objective, or a limited quantity, is expensive.
        stored: The stored study; None for a new one.
    """
    if settings.sampler != AUTO:
        return settings.sampler
    if stored is not None:
        return str(stored.settings.get("sampler", PLAIN))
    is_predicted = is_expensive and not settings.racing and planned(settings) <= MOST_EVALUATIONS
    return PREDICTING if is_predicted else PLAIN


def planned(settings: StudySettings) -> float:
    """Largest number of evaluations that the stop rules allow; infinite if none of them limits it."""
    rules = settings.stop_rules()
    by_generations = rules.get("generations", math.inf) * settings.population
    return float(min(rules.get("evaluations", math.inf), by_generations))
