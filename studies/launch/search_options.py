"""Options of `studies.run` that say how is searched: sampler, first generation, stop rules."""

from __future__ import annotations

import hashlib
from argparse import Namespace, _ArgumentGroup
from dataclasses import dataclass
from typing import Any

from search_space.command.least_values import check_least
from search_space.errors import H4HError
from search_space.genotype import Genotype, parse, to_text
from search_space.space import Space
from studies.samplers.registry import check_sampler, known_samplers, sampler_versions
from studies.search.first_generation import MOBILENET, WarmStart, parse_subnets, warm_start
from studies.search.preferred_values import Preference, parse_preference
from studies.search.stop_rules import StopRules
from studies.study.study import Study

SEARCH_DEFAULTS: dict[str, Any] = {
    "sampler": "nsga2",
    "prefer": [],
    "population": 24,
    "seed": 0,
    "seed_subnets": None,
    "warm_start": None,
}
STOP_DEFAULTS: dict[str, Any] = {"generations": None, "evaluations": None, "minutes": None, "patience": None}
DEFAULT_GENERATIONS = 12
PREFERRING = "rnsga2"
"""The sampler that searches near preferred values."""
PREDICTING = "surrogate"
"""The sampler that searches predicted networks, and so wants exact costs of many."""
WARM_START = "warm start"
"""Key in a study's fingerprint under which the name of the earlier study stands."""
CARRIED = "warm_start_subnets"
"""Key in a study's settings under which the networks stand that its warm start took over."""


class SearchOptionError(H4HError):
    """An option of the search with a value that is not allowed."""


def add_search_options(group: _ArgumentGroup) -> None:
    """Adds what `check_search` checks."""
    add = group.add_argument
    add("--sampler", help=f"one of {', '.join(known_samplers())}")
    add(
        "--prefer",
        action="append",
        metavar="VALUES",
        help=f"with --sampler {PREFERRING}: values to search near, such as acc=85%%,lat=0.5ms; an objective "
        f"left out is preferred at its best; may be repeated",
    )
    add("--population", type=int, metavar="N", help="subnets per generation, at least 2")
    add("--seed", type=int, metavar="S", help="decides every draw")
    add(
        "--seed-subnets",
        metavar="A,B,...",
        help=f"first generation, beside smallest and largest: {MOBILENET}, genotypes",
    )
    add(
        "--warm-start",
        metavar="STUDY",
        help="first generation: the front of this study, as far as its networks are in the space; FILE:STUDY "
        "for one in another database",
    )


def add_stop_options(group: _ArgumentGroup) -> None:
    """Adds the stop rules."""
    add = group.add_argument
    add(
        "--generations",
        type=int,
        metavar="N",
        help=f"generations, those stored included (default: {DEFAULT_GENERATIONS} if no other rule is given)",
    )
    add("--evaluations", type=int, metavar="N", help="subnets, those stored included")
    add("--minutes", type=float, metavar="T", help="minutes of this run")
    add("--patience", type=int, metavar="N", help="generations in a row without gain of hypervolume")


@dataclass(frozen=True)
class SearchPlan:
    """How is searched, checked.

    Attributes:
        sampler: Its name.
        population: Subnets per generation.
        seed: Decides every draw.
        rules: When to stop.
        preferences: Values to search near.
        named: Networks named for the first generation.
        warm: What is taken over from an earlier study; None without a warm start.
    """

    sampler: str
    population: int
    seed: int
    rules: StopRules
    preferences: tuple[Preference, ...]
    named: tuple[Genotype, ...]
    warm: WarmStart | None

    @property
    def carried(self) -> tuple[Genotype, ...]:
        """Networks of an earlier study."""
        return () if self.warm is None else self.warm.subnets

    @property
    def first(self) -> tuple[Genotype, ...]:
        """What the first generation holds beside the smallest and the largest network."""
        return self.named + self.carried

    def fingerprint(self) -> dict[str, str]:
        """What decides the result, beside sampler, population and seed; only what is given."""
        parts = {}
        if self.preferences:
            parts["preferences"] = " ".join(map(str, self.preferences))
        if self.warm is not None:
            parts[WARM_START] = self.warm.study
        if self.first:
            texts = ";".join(map(to_text, self.first))
            parts["first generation"] = hashlib.sha256(texts.encode()).hexdigest()
        return parts | sampler_versions(self.sampler)


def check_search(
    options: Namespace, *, objectives: tuple[str, ...], space: Space, stored: Study | None
) -> SearchPlan:
    """Checks the options of the search; reads another study where one is to start from.

    Args:
        options: As parsed.
        objectives: Names of the objectives, in order.
        space: What is searched.
        stored: The study, if there is one already. What its warm start took over stands there, so that it
            goes on exactly even if the other study has grown or is gone.

    Raises:
        H4HError: Something in them is wrong.
    """
    check_least(options, population=2, seed=0, generations=1, evaluations=1, patience=1)
    if options.minutes is not None and not 0 < options.minutes < float("inf"):
        raise SearchOptionError(f"--minutes must be more than 0 and finite, but got {options.minutes:g}")
    check_sampler(options.sampler)
    if options.prefer and options.sampler != PREFERRING:
        raise SearchOptionError(
            f"--prefer needs --sampler {PREFERRING}, but got --sampler {options.sampler}, which searches the "
            f"whole front"
        )
    preferences = tuple(parse_preference(text, objectives) for text in options.prefer)

    extremes = (space.smallest(), space.largest())
    given = () if options.seed_subnets is None else parse_subnets(options.seed_subnets, space)
    named = tuple(one for one in given if one not in extremes)
    room = options.population - len(set(extremes))
    if len(named) > room:
        raise SearchOptionError(
            f"--seed-subnets names {len(named)} subnets beside the smallest and the largest, but with "
            f"--population {options.population} the first generation has room for {room}; raise --population"
        )
    warm: WarmStart | None = None
    if options.warm_start is not None:
        if stored is not None and stored.settings.get("warm_start") == options.warm_start:
            warm = WarmStart(stored.fingerprint[WARM_START], tuple(map(parse, stored.settings[CARRIED])))
        else:
            known = {*extremes, *named}
            count = room - len(named)
            warm = warm_start(options.warm_start, options.db, space, without=known, count=count)
    rules = StopRules(**{name: getattr(options, name) for name in STOP_DEFAULTS})
    if not rules.given():
        rules = StopRules(generations=DEFAULT_GENERATIONS)
    return SearchPlan(
        sampler=options.sampler,
        population=options.population,
        seed=options.seed,
        rules=rules,
        preferences=preferences,
        named=named,
        warm=warm,
    )
