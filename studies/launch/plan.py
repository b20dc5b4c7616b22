"""Plan of a study: its settings, checked against files, spaces and the database. Needs no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from objectives.hardware import MAPPINGS, load_soc
from objectives.hardware.chip import Chip
from objectives.objective import Declaration
from objectives.own_objective import OwnObjective, own_objectives
from objectives.registry import (
    check_objectives,
    declarations,
    is_registered,
    known_objectives,
    registered_objectives,
)
from search_space.files.own_code import code_name
from search_space.genotype import Genotype, parse, to_text
from search_space.space import Space, load_space
from studies.design_space.chip_choices import (
    MAPPING,
    SEARCHED_MAPPINGS,
    ChipChoices,
    Chips,
    check_chips,
    parse_hardware,
)
from studies.design_space.design_space import DesignSpace
from studies.launch.chip_limits import chip_bounds, default_limits, frame_limits
from studies.samplers.own_sampler import own_sampler, sampler_identity
from studies.samplers.registry import sampler_versions
from studies.search.first_generation import WarmStart, parse_subnets, warm_start
from studies.search.preferred_values import Preference, parse_preference
from studies.search.racing import check_racing
from studies.search.stop_rules import StopRules
from studies.storage.database_file import check_writable
from studies.storage.store import open_store
from studies.study.constraint import Constraint, limited_quantity, parse_constraint
from studies.study.setting_field import SettingError
from studies.study.settings import AUTO, CARRIED, DEFAULT_SPACE, WARM_START, StudySettings
from studies.study.study import Study
from supernet.checkpoints import built_in_checkpoint
from supernet.checkpoints.header import check_space, check_trained_on_pack, stored_space
from supernet.images.folder_layouts import recognised


@dataclass(frozen=True)
class Plan:
    """Checked settings of a study, with everything that follows from them without torch.

    Attributes:
        settings: The settings, with the name of the study.
        database: File of the study.
        names: Names of the objectives, in order.
        own: User-defined objectives, constrained ones included, by name.
        space: The networks, and the chips that they may run on.
        chips: The chip, or the chips that the study searches.
        constraints: The limits, those of the chip's memories included.
        added: The limits among them that nobody asked for.
        checkpoint: File of the supernet; None if the study does not measure accuracy.
        search: Sampler, first generation and stop rules.
        stored: The study as stored already, with its number of evaluations; None for a new study.
    """

    settings: StudySettings
    database: Path
    names: tuple[str, ...]
    own: Mapping[str, OwnObjective]
    space: DesignSpace
    chips: Chips
    constraints: tuple[Constraint, ...]
    added: tuple[Constraint, ...]
    checkpoint: Path | None
    search: SearchPlan
    stored: tuple[Study, int] | None

    @property
    def study(self) -> str:
        """Name of the study."""
        assert self.settings.study is not None, "a plan names its study"
        return self.settings.study

    @property
    def limited(self) -> tuple[str, ...]:
        """Objectives that only a constraint needs."""
        quantities = dict.fromkeys(constraint.quantity for constraint in self.constraints)
        return tuple(
            name
            for name in quantities
            if (name in self.own or is_registered(name)) and name not in self.names
        )

    @property
    def networks(self) -> Space:
        """The search space of the networks."""
        return self.space.networks


def check(
    settings: StudySettings,
    database: Path,
    *,
    objectives: Sequence[object] = (),
    samplers: Sequence[object] = (),
) -> Plan:
    """Checks the settings of a study as far as possible without torch; writes nothing.

    Args:
        settings: The settings.
        database: File of the study; need not exist.
        objectives: User-defined objectives.
        samplers: User-defined samplers, one of which the settings name.

    Raises:
        H4HError: A setting, a file or an object is wrong.
    """
    networks = searched_networks(settings)
    known = objectives_of(settings, objectives)
    names, own = known.names, known.own
    quantities = {*names, *map(limited_quantity, settings.constraints)}
    chips = _chips(settings, quantities, known.depending_on_chip)
    constraints = tuple(
        parse_constraint(text, known.own_units, chip_bounds=chip_bounds(chips.file))
        for text in settings.constraints
    )
    added: tuple[Constraint, ...] = ()
    if quantities & set(known.depending_on_chip):
        added = default_limits(chips.file, networks, constraints, is_spilt=settings.spill)
    added += frame_limits(constraints)
    constraints += added
    _check_racing(settings, names, constraints)
    space = DesignSpace(networks, chips.choices)
    appended = names[len(settings.objectives) :]
    settings = replace(
        settings,
        study=study_name(settings, networks, names),
        objectives=(*settings.objectives, *appended),
    )
    checkpoint = _checkpoint(settings, networks, needs_accuracy="acc" in quantities - set(own))
    check_writable(database)
    stored = _stored(database, settings.study or "")
    search = check_search(
        settings,
        database,
        objectives=names,
        space=space,
        own_units=known.own_units,
        own_sampler=own_sampler(settings.sampler, samplers),
        stored=None if stored is None else stored[0],
    )
    return Plan(settings, database, names, own, space, chips, constraints, added, checkpoint, search, stored)


@dataclass(frozen=True)
class NamedObjectives:
    """Objectives of a study by name.

    Attributes:
        names: Names of the objectives, in order.
        own: User-defined objectives, constrained ones included, by name.
    """

    names: tuple[str, ...]
    own: Mapping[str, OwnObjective]

    @property
    def depending_on_chip(self) -> tuple[str, ...]:
        """Names of all objectives that depend on the chip, in this study or not."""
        declared: dict[str, Declaration | OwnObjective] = {**declarations(), **self.own}
        return tuple(name for name, objective in declared.items() if "chip" in objective.depends_on)

    @property
    def own_units(self) -> dict[str, str]:
        """Units of the user's own objectives, by name."""
        return {name: objective.unit for name, objective in self.own.items()}


def objectives_of(settings: StudySettings, given: Sequence[object] = ()) -> NamedObjectives:
    """The objectives of `settings` and `given`, with references resolved.

    A given object that the settings do not name is one more objective.

    Raises:
        H4HError: An objective is unknown, wrong, or named twice.
    """
    own = own_objectives(settings.objectives, given, known_objectives())
    named = [own[name].name if name in own else name for name in settings.objectives]
    mentioned = {*named, *map(limited_quantity, settings.constraints)}
    named += [objective.name for objective in own.values() if objective.name not in mentioned]
    by_name = {objective.name: objective for objective in own.values()}
    built_in = [name for name in named if name not in by_name]
    if built_in:
        check_objectives(built_in)
    return NamedObjectives(tuple(named), by_name)


def named(settings: StudySettings) -> StudySettings:
    """The settings, with the name of the study.

    Raises:
        H4HError: The search space or an objective is wrong.
    """
    if settings.study is not None:
        return settings
    space, names = searched_networks(settings), objectives_of(settings).names
    return replace(settings, study=study_name(settings, space, names))


def study_name(settings: StudySettings, space: Space, names: Sequence[str]) -> str:
    """Name of the study: the given one, else space, objectives and seed."""
    if settings.study is not None:
        return settings.study
    return f"{space.name}-{'-'.join(names)}-s{settings.seed}"


def _check_racing(
    settings: StudySettings, names: tuple[str, ...], constraints: tuple[Constraint, ...]
) -> None:
    """Refuses settings that exclude racing."""
    if not settings.racing:
        return
    check_racing(names, constraints)
    if settings.search_hardware is not None:
        raise SettingError(
            "--racing scores each network against one front, but with --search-hardware its value depends on "
            "its chip: leave out one of them"
        )
    if settings.dask is not None or (settings.workers or 1) > 1:
        raise SettingError("--racing scores in this process: leave out --dask, and --workers above 1")


def _checkpoint(settings: StudySettings, space: Space, *, needs_accuracy: bool) -> Path | None:
    """File of the supernet, checked together with the images; None without accuracy."""
    checkpoint = Path(settings.checkpoint) if settings.checkpoint is not None else None
    if not needs_accuracy:
        checkpoint = None
    elif checkpoint is None:
        checkpoint = built_in_checkpoint(space.name)
    if settings.data is not None:
        recognised(Path(settings.data), settings.dataset)
    elif checkpoint is not None:
        check_trained_on_pack(checkpoint)
    return checkpoint


def _stored(database: Path, study: str) -> tuple[Study, int] | None:
    """The stored study, with its number of evaluations."""
    if not database.exists():
        return None
    with open_store(database) as store:
        stored = store.find(study)
        return None if stored is None else (stored, store.count(study))


def searched_networks(settings: StudySettings) -> Space:
    """The search space of the networks.

    Raises:
        H4HError: There is no such space or checkpoint, or the checkpoint is damaged or has another space.
    """
    checkpoint = None if settings.checkpoint is None else Path(settings.checkpoint)
    if checkpoint is not None and not checkpoint.is_file():
        raise SettingError(f"--checkpoint {checkpoint} does not exist")
    stored = None if checkpoint is None else stored_space(checkpoint)
    if settings.space is None and stored is not None:
        return stored
    space = load_space(settings.space or DEFAULT_SPACE)
    if checkpoint is not None and stored is not None:
        check_space(checkpoint, stored, space)
    return space


def _chips(settings: StudySettings, quantities: Collection[str], on_chip: Sequence[str]) -> Chips:
    """The chips that networks may run on.

    Args:
        settings: Settings of the study.
        quantities: Names of all objectives and limited quantities.
        on_chip: Names of all objectives that depend on the chip.

    Raises:
        H4HError: A chip is impossible, or chips are searched although none of `quantities` depends on them.
    """
    text = settings.search_hardware
    searched = ChipChoices() if text is None else parse_hardware(text)
    given = Chip(settings.macros, settings.units, None if settings.mapping == AUTO else settings.mapping)
    chips = Chips(load_soc(settings.hardware), given, searched, settings.npu_model, settings.spill)
    check_chips(chips)
    if searched.genes and not set(quantities) & set(on_chip):
        raise SettingError(
            f"--search-hardware needs an objective or a constraint that depends on the chip, any of "
            f"{', '.join(on_chip)}, but got --objectives {','.join(settings.objectives)}"
        )
    for name, objective in registered_objectives().items():
        if name in quantities and name in on_chip:
            # Refuses a SoC file that lacks a number, such as an area.
            objective.check_on(chips.greatest)
    return _with_mapping(chips, quantities, is_racing=settings.racing)


def _with_mapping(chips: Chips, quantities: Collection[str], *, is_racing: bool) -> Chips:
    """`chips` with the mappings that `quantities` want, where the user leaves the mapping open.

    One mapping is fixed, several are searched. Without macros all mappings are the same. Racing compares a
    network with one front, so it takes a single mapping.
    """
    if chips.given.mapping is not None or MAPPING in chips.choices.choices:
        return chips
    wanted = {
        mapping
        for name, objective in registered_objectives().items()
        if name in quantities
        for mapping in objective.mapped_for
    }
    if chips.greatest.soc.macros == 0 or not wanted or (is_racing and len(wanted) > 1):
        wanted = {MAPPINGS[0]}
    if len(wanted) == 1:
        return replace(chips, given=replace(chips.given, mapping=wanted.pop()))
    return replace(chips, choices=replace(chips.choices, mapping=SEARCHED_MAPPINGS))


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
        warm: Networks of an earlier study; None without a warm start.
    """

    sampler: str
    own_sampler: object | None
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
        """Networks of the first generation besides the smallest and the largest one."""
        return self.named + self.carried

    def fingerprint(self) -> dict[str, str]:
        """Entries of the fingerprint besides sampler, population and seed; defaults are left out."""
        parts = {}
        if self.preferences:
            parts["preferences"] = " ".join(map(str, self.preferences))
        if self.warm is not None:
            parts[WARM_START] = self.warm.study
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
    database: Path,
    *,
    objectives: tuple[str, ...],
    space: DesignSpace,
    own_units: Mapping[str, str],
    own_sampler: object | None,
    stored: Study | None,
) -> SearchPlan:
    """Checks the settings of the search, and reads the study of a warm start.

    Args:
        settings: Settings of the study.
        database: File of the study.
        objectives: Names of the objectives, in order.
        space: The design space.
        own_units: Units of the user-defined objectives, by name.
        own_sampler: Class or function that creates the user-defined sampler; None for a built-in one.
        stored: The stored study, or None. It holds the networks of its warm start, so that it resumes exactly
            even if the other study has grown or is gone.

    Raises:
        H4HError: A setting is wrong.
    """
    preferences = tuple(parse_preference(text, objectives, own_units) for text in settings.prefer)
    extremes = (space.smallest(), space.largest())
    given = () if settings.seed_subnets is None else parse_subnets(settings.seed_subnets, space)
    named = tuple(subnet for subnet in given if subnet not in extremes)
    room = settings.population - len(set(extremes))
    if len(named) > room:
        raise SettingError(
            f"--seed-subnets names {len(named)} subnets besides the smallest and the largest, but with "
            f"--population {settings.population} the first generation has room for {room}; raise --population"
        )
    warm: WarmStart | None = None
    if settings.warm_start is not None:
        if stored is not None and stored.settings.get("warm_start") == settings.warm_start:
            warm = WarmStart(stored.fingerprint[WARM_START], tuple(map(parse, stored.settings[CARRIED])))
        else:
            known = {*extremes, *named}
            count = room - len(named)
            warm = warm_start(settings.warm_start, database, space, without=known, count=count)
    return SearchPlan(
        sampler=settings.sampler if own_sampler is None else code_name(own_sampler),
        own_sampler=own_sampler,
        population=settings.population,
        seed=settings.seed,
        rules=StopRules(**settings.stop_rules()),
        preferences=preferences,
        named=named,
        warm=warm,
    )
