"""What `studies.run` is asked to do, checked as far as possible without torch."""

from __future__ import annotations

import hashlib
from argparse import Namespace
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from objectives.hardware import load_soc
from objectives.hardware.chip import Chip
from objectives.hardware_objectives import Area
from objectives.registry import check_objectives, known_objectives
from search_space.command.byte_count import parse_bytes
from search_space.command.command_line import check_least
from search_space.errors import H4HError
from search_space.genotype import Genotype, parse, to_text
from search_space.space import Space, is_built_in, load_space
from studies.design_space.chip_choices import DECIDED, Chips, check_chips, parse_hardware
from studies.design_space.joint_space import JointSpace, networks_of
from studies.launch.options import parser
from studies.launch.progress_log import check_log
from studies.samplers.registry import check_sampler, sampler_versions
from studies.search.first_generation import WarmStart, parse_subnets, warm_start
from studies.search.preferred_values import Preference, parse_preference
from studies.search.racing import check_racing
from studies.search.stop_rules import StopRules
from studies.storage.database_file import check_writable
from studies.storage.store import open_store
from studies.study.constraint import Constraint, parse_constraint
from studies.study.settings import (
    CARRIED,
    DEFAULT_GENERATIONS,
    DEFAULT_SPACE,
    PREFERRING,
    STOP_DEFAULTS,
    WARM_START,
)
from studies.study.study import Study
from supernet.checkpoints import built_in_checkpoint
from supernet.checkpoints.header import check_space, check_trained_on_pack, stored_space
from supernet.images.folder_layouts import recognised

MOST_OBJECTIVES = 6


class ArgumentError(H4HError):
    """An option with a value that is not allowed."""


@dataclass(frozen=True)
class Plan:
    """A checked command line: everything that can be known without torch.

    Attributes:
        options: The options as given.
        names: Names of the objectives, in order.
        space: What is searched; a `JointSpace` where chips are, too.
        space_name: What --space calls it; None for a space that only the checkpoint holds.
        chips: The SoC, or those that networks may choose from.
        constraints: The limits.
        checkpoint: File of the supernet; None if no accuracy is wanted.
        search: How is searched.
        study: Name of the study.
        stored: The study as stored already, if it is, with its number of evaluations.
    """

    options: Namespace
    names: tuple[str, ...]
    space: Space
    space_name: str | None
    chips: Chips
    constraints: tuple[Constraint, ...]
    checkpoint: Path | None
    search: SearchPlan
    study: str
    stored: tuple[Study, int] | None

    @property
    def limited(self) -> tuple[str, ...]:
        """Objectives that only a constraint needs."""
        quantities = dict.fromkeys(constraint.quantity for constraint in self.constraints)
        return tuple(name for name in quantities if name in known_objectives() and name not in self.names)

    @property
    def networks(self) -> Space:
        """The networks of `space`, whatever chip they run on."""
        return networks_of(self.space)


def planned(arguments: Sequence[str] | None = None) -> Plan:
    """The plan of a command line, by default that of this process.

    Raises:
        H4HError: Something in it is wrong.
    """
    return check(parser().parse_args(arguments))


def check(options: Namespace) -> Plan:
    """Checks a command line as far as possible without torch; writes nothing.

    Raises:
        H4HError: Something in it is wrong.
    """
    check_least(options, val_images=1, calibration_images=1, workers=1)
    parse_bytes(options.memory, option="--memory")
    if options.dask is not None and options.workers is not None:
        raise ArgumentError("--workers are processes of this machine: leave it away with --dask")
    names = objective_names(options.objectives)
    constraints = tuple(map(parse_constraint, options.constraint))
    if options.racing:
        check_racing(names, constraints)
        if options.search_hardware is not None:
            raise ArgumentError(
                "--racing scores each network against one front, but with --search-hardware what it is worth "
                "depends on its chip: leave out one of them"
            )
        if options.dask is not None or (options.workers or 1) > 1:
            raise ArgumentError("--racing scores in this process: leave out --dask, and --workers above 1")
    if options.checkpoint is not None and not options.checkpoint.is_file():
        raise ArgumentError(f"--checkpoint {options.checkpoint} does not exist")
    space, space_name = _space(options.space, options.checkpoint)
    quantities = {*names, *(constraint.quantity for constraint in constraints)}
    chips = _chips(options, quantities)
    if chips.options is not None:
        space = JointSpace.of(space, chips.options)
    study = options.study if options.study is not None else f"{space.name}-{'-'.join(names)}-s{options.seed}"
    if not study.strip() or not study.isprintable():
        raise ArgumentError(f"--study must be a printable name that is not empty, but got {study!r}")

    needs_accuracy = "acc" in quantities
    checkpoint = (options.checkpoint or built_in_checkpoint(space.name)) if needs_accuracy else None
    if options.data is not None:
        recognised(options.data, options.dataset)
    elif options.dataset is not None:
        raise ArgumentError(f"--dataset {options.dataset} needs --data, the folder that it lies in")
    elif checkpoint is not None:
        check_trained_on_pack(checkpoint)
    stored = None
    check_writable(options.db)
    if options.log_json is not None:
        check_log(options.log_json)
    if options.db.exists():
        with open_store(options.db) as store:
            found = store.find(study)
            stored = None if found is None else (found, store.count(study))
    search_plan = check_search(
        options, objectives=names, space=space, stored=None if stored is None else stored[0]
    )
    return Plan(options, names, space, space_name, chips, constraints, checkpoint, search_plan, study, stored)


def objective_names(text: str) -> tuple[str, ...]:
    """Names of the objectives in `text`, in order.

    Raises:
        H4HError: None, an unknown one, one twice, or too many.
    """
    names = tuple(name.strip() for name in text.split(","))
    if "" in names:
        raise ArgumentError(
            f"--objectives must be names joined by commas, any of {', '.join(known_objectives())}, "
            f"but got {text!r}"
        )
    check_objectives(names)
    if len(names) > MOST_OBJECTIVES:
        raise ArgumentError(
            f"--objectives must be at most {MOST_OBJECTIVES}, as the hypervolume of more takes too long, but "
            f"got {len(names)}: make some of them constraints"
        )
    return names


def _space(given: str | None, checkpoint: Path | None) -> tuple[Space, str | None]:
    """The space to search and what --space calls it, if it has a name there.

    Raises:
        H4HError: There is no such space, or the checkpoint is damaged or of another one.
    """
    stored = None if checkpoint is None else stored_space(checkpoint)
    if given is not None or stored is None:
        name = given or DEFAULT_SPACE
        space = load_space(name)
        if checkpoint is not None and stored is not None:
            check_space(checkpoint, stored, space)
        return space, name
    return stored, stored.name if is_built_in(stored) else None


def _chips(options: Namespace, quantities: Collection[str]) -> Chips:
    """The chips that the command line asks for.

    Args:
        options: As parsed.
        quantities: What is optimised or limited.

    Raises:
        H4HError: There can be no such chip, or none of `quantities` depends on which one is taken.
    """
    text = options.search_hardware
    searched = None if text is None else parse_hardware(text)
    chips = Chips(load_soc(options.hardware), Chip(options.macros, options.units), searched)
    check_chips(chips, mapping=options.mapping, npu_model=options.npu_model)
    if searched is not None and not set(quantities) & set(DECIDED):
        raise ArgumentError(
            f"--search-hardware needs an objective or a constraint that depends on the chip, any of "
            f"{', '.join(DECIDED)}, but got --objectives {options.objectives}"
        )
    if "area" in quantities:
        Area(chips.greatest)  # refuses a file without areas
    return chips


class SearchOptionError(H4HError):
    """An option of the search with a value that is not allowed."""


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
