"""Checked settings of a search: sampler, first generation, stop rules. Needs no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from search_space.files.own_code import code_name
from search_space.genotype import Genotype, parse, to_text
from studies.design_space.design_space import DesignSpace
from studies.samplers.own_sampler import sampler_identity
from studies.samplers.registry import sampler_versions
from studies.search.given_designs import WarmStart, parse_subnets, warm_start
from studies.search.preferred_values import Preference, parse_preference
from studies.search.stop_rules import StopRules
from studies.study.cost_scale import LINEAR, LOG
from studies.study.setting_field import SettingError
from studies.study.settings import StudySettings
from studies.study.study import Study
from studies.study.value_window import ValueWindow, parse_window
from studies.study.warm_start_sources import (
    CARRIED,
    WARM_START,
    are_same_sources,
    stored_sources,
    takes_all,
)


@dataclass(frozen=True)
class SearchPlan:
    """Checked settings of the search: sampler, first generation, stop rules.

    Attributes:
        sampler: Name of the sampler; ``module:Class`` for a user-defined one.
        own_sampler: Class or function that creates the user-defined sampler; None for a built-in one.
        population: Number of subnets per generation.
        seed: Random seed.
        rules: Stopping rules.
        preferences: Values to search near.
        named: Networks named for the first generation.
        warm: Networks of earlier studies; None without a warm start.
        scale: Scale of costs in the hypervolume.
        window: Values of interest; None for bounds that follow from the search space.
    """

    sampler: str
    own_sampler: object | None
    population: int
    seed: int
    rules: StopRules
    preferences: tuple[Preference, ...]
    named: tuple[Genotype, ...]
    warm: WarmStart | None
    scale: str
    window: ValueWindow | None

    @property
    def carried(self) -> tuple[Genotype, ...]:
        """Networks of earlier studies."""
        return () if self.warm is None else self.warm.subnets

    @property
    def first(self) -> tuple[Genotype, ...]:
        """Networks of the first generation besides the smallest and the largest one."""
        return self.named + self.carried

    def fingerprint(self) -> dict[str, str]:
        """Entries of the fingerprint besides sampler, population and seed.

        Defaults of version 0.1.0 are left out, so its studies resume.
        """
        parts = {}
        if self.scale != LINEAR:
            parts["scale"] = self.scale
        if self.window is not None:
            parts["between"] = str(self.window)
        if self.preferences:
            parts["preferences"] = " ".join(map(str, self.preferences))
        if self.warm is not None:
            parts[WARM_START] = self.warm.studies
        if self.first:
            texts = ";".join(map(to_text, self.first))
            parts["first generation"] = hashlib.sha256(texts.encode()).hexdigest()
        if self.own_sampler is not None:
            return (
                parts | sampler_identity(self.own_sampler) | {"version of numpy": metadata.version("numpy")}
            )
        return parts | sampler_versions(self.sampler)


def check_search(
    settings: StudySettings,
    *,
    objectives: tuple[str, ...],
    space: DesignSpace,
    own_units: Mapping[str, str],
    own_sampler: object | None,
    warm: WarmStart | None,
) -> SearchPlan:
    """Checks the settings of the search.

    Args:
        settings: Settings of the study.
        objectives: Names of the objectives, in order.
        space: The design space.
        own_units: Units of the user-defined objectives, by name.
        own_sampler: Class or function that creates the user-defined sampler; None for a built-in one.
        warm: Networks of earlier studies; None without a warm start.

    Raises:
        H4HError: A setting is wrong.
    """
    return SearchPlan(
        sampler=settings.sampler if own_sampler is None else code_name(own_sampler),
        own_sampler=own_sampler,
        population=settings.population,
        seed=settings.seed,
        rules=StopRules(**settings.stop_rules()),
        preferences=_distinct(parse_preference(text, objectives, own_units) for text in settings.prefer),
        named=_named(settings, space),
        warm=warm,
        scale=settings.scale or LOG,
        window=None if settings.between is None else parse_window(settings.between, objectives, own_units),
    )


def _distinct(preferences: Iterable[Preference]) -> tuple[Preference, ...]:
    """The preferences in order; one that is given twice is one preference."""
    return tuple({str(preference): preference for preference in preferences}.values())


def check_warm_start(
    settings: StudySettings, database: Path, *, space: DesignSpace, stored: Study | None
) -> WarmStart | None:
    """Networks that earlier studies bring; None without a warm start.

    Args:
        settings: Settings of the study.
        database: File of the study.
        space: The design space.
        stored: The stored study, or None. It holds the networks of its warm start, so that it resumes exactly
            even if the other studies have grown or are gone.

    Raises:
        H4HError: `settings` name too many networks, or no such study.
    """
    named = _named(settings, space)
    if not settings.warm_start:
        return None
    if (
        stored is not None
        and are_same_sources(stored_sources(stored.settings), settings.warm_start)
        and takes_all(stored.settings) == settings.warm_start_all
    ):
        return WarmStart(stored.fingerprint[WARM_START], tuple(map(parse, stored.settings[CARRIED])))
    return warm_start(
        settings.warm_start,
        database,
        space,
        without={*_extremes(space), *named},
        count=settings.population - len(set(_extremes(space))) - len(named),
        takes_all=settings.warm_start_all,
    )


def _extremes(space: DesignSpace) -> tuple[Genotype, Genotype]:
    return space.smallest(), space.largest()


def _named(settings: StudySettings, space: DesignSpace) -> tuple[Genotype, ...]:
    """Networks that `settings` name for the first generation besides the smallest and the largest.

    Raises:
        H4HError: They name an unknown network, or more than the first generation has room for.
    """
    extremes = _extremes(space)
    given = () if settings.seed_subnets is None else parse_subnets(settings.seed_subnets, space)
    named = tuple(subnet for subnet in given if subnet not in extremes)
    room = settings.population - len(set(extremes))
    if len(named) > room:
        raise SettingError(
            f"--seed-subnets names {len(named)} subnets besides the smallest and the largest, but with "
            f"--population {settings.population} the first generation has room for {room}; raise --population"
        )
    return named
