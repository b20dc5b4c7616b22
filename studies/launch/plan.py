"""Plan of a study: its settings, checked against files, spaces and the database. Needs no torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from objectives.hardware import MAPPINGS, load_soc
from objectives.hardware.chip import Chip
from objectives.networks_on_chip import memory_bounds
from objectives.objective import Declaration
from objectives.own_objective import OwnObjective
from objectives.registry import is_registered, registered_objectives
from objectives.tabled.accuracy_table import AccuracyTable
from search_space.space import Space
from search_space.table_space import is_table_space
from studies.design_space.chip_choices import (
    MAPPING,
    SEARCHED_MAPPINGS,
    ChipChoices,
    Chips,
    check_chips,
    parse_hardware,
)
from studies.design_space.design_space import DesignSpace
from studies.design_space.listed_networks import ListedNetworks
from studies.launch.chip_limits import default_limits, frame_limits
from studies.launch.largest_network import LargestNetwork
from studies.launch.limit_range import check_family, check_possible
from studies.launch.named_objectives import objectives_of
from studies.launch.sampler_choice import chosen_sampler
from studies.launch.search_plan import SearchPlan, check_search, check_warm_start
from studies.launch.searched_space import searched_networks, searched_table
from studies.samplers.own_sampler import own_sampler
from studies.search.racing import check_racing
from studies.storage.database_file import check_writable
from studies.storage.store import open_store
from studies.study.constraint import Constraint, is_share, limited_quantity, parse_constraint
from studies.study.cost_scale import LOG
from studies.study.merged_study import check_resumable
from studies.study.sampler_rules import check_sampler_rules
from studies.study.setting_field import SettingError
from studies.study.settings import AUTO, StudySettings
from studies.study.software import Software
from studies.study.study import Study
from supernet.checkpoints import built_in_checkpoint
from supernet.checkpoints.header import check_trained_on_pack
from supernet.images.folder_layouts import recognised


@dataclass(frozen=True)
class StoredStudy:
    """A study that the database holds already.

    Attributes:
        study: The study.
        count: Number of its evaluations.
        software: What measured them.
    """

    study: Study
    count: int
    software: tuple[Software, ...]


@dataclass(frozen=True)
class Plan:
    """Checked settings of a study, with everything that follows from them without torch.

    Attributes:
        settings: The settings, with the name of the study.
        database: File of the study.
        names: Names of the objectives, in order.
        own: User-defined objectives, constrained ones included, by name.
        table: Accuracy table whose values replace measurements; None without one.
        space: The networks, and the chips that they may run on.
        chips: The chip, or the chips that the study searches.
        constraints: The limits, those of the chip's memories included.
        added: The limits among them that nobody asked for.
        shares: Lines that say the numbers behind limits that were given as shares of the largest network.
        checkpoint: File of the supernet; None if the study does not measure accuracy.
        search: Sampler, first generation and stop rules.
        stored: The study as stored already; None for a new study.
    """

    settings: StudySettings
    database: Path
    names: tuple[str, ...]
    own: Mapping[str, OwnObjective]
    table: AccuracyTable | None
    space: DesignSpace
    chips: Chips
    constraints: tuple[Constraint, ...]
    added: tuple[Constraint, ...]
    shares: tuple[str, ...]
    checkpoint: Path | None
    search: SearchPlan
    stored: StoredStudy | None

    @property
    def study(self) -> str:
        """Name of the study."""
        assert self.settings.study is not None, "a plan names its study"
        return self.settings.study

    @property
    def limited(self) -> tuple[str, ...]:
        """Objectives that only a constraint needs."""
        quantities = dict.fromkeys(constraint.quantity for constraint in self.constraints)
        own = {*self.own, *self.tabled}
        return tuple(
            name for name in quantities if (name in own or is_registered(name)) and name not in self.names
        )

    @property
    def tabled(self) -> Mapping[str, Declaration]:
        """Declarations of the objectives in the table, by name."""
        return {} if self.table is None else self.table.declarations

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
    table = searched_table(settings)
    networks = searched_networks(settings) if table is None else table.space
    known = objectives_of(settings, objectives, table)
    names, own = known.names, known.own
    quantities = {*names, *map(limited_quantity, settings.constraints)}
    computed = quantities - set(known.tabled)
    chips = _chips(settings, computed, known.depending_on_chip)
    largest = LargestNetwork(networks, chips, {*known.own, *known.tabled})
    limit_by_text = {
        text: parse_constraint(text, known.own_units, chip_bounds=memory_bounds(chips.file), largest=largest)
        for text in settings.constraints
    }
    shares = tuple(
        largest.line(text, limit) for text, limit in limit_by_text.items() if is_share(text, known.own_units)
    )
    # A limit that is given twice is one limit.
    constraints = tuple(dict.fromkeys(limit_by_text.values()))
    added: tuple[Constraint, ...] = ()
    if computed & set(known.depending_on_chip):
        added = default_limits(chips.file, networks, constraints, is_spilt=settings.spill)
    added += frame_limits(constraints)
    constraints += added
    check_possible(constraints)
    if not is_table_space(networks):
        check_family(constraints, networks)
    _check_racing(settings, names, constraints)
    listed = None if table is None else ListedNetworks(networks, table.genotypes)
    space = DesignSpace(networks, chips.choices, listed)
    appended = names[len(settings.objectives) :]
    settings = replace(
        settings,
        study=study_name(settings, networks, names),
        objectives=(*settings.objectives, *appended),
    )
    checkpoint = _checkpoint(settings, networks, needs_accuracy="acc" in computed - set(own))
    check_writable(database)
    stored = _stored(database, settings.study or "")
    if stored is not None:
        check_resumable(stored.study)
        check_sampler_rules(stored.study)
        constraints = _in_order(constraints, stored.study.constraints)
    settings = replace(settings, scale=settings.scale or (LOG if stored is None else stored.study.scale))
    earlier = None if stored is None else stored.study
    warm = check_warm_start(settings, database, space=space, stored=earlier)
    sampler = chosen_sampler(
        settings,
        is_expensive=bool(known.expensive & quantities),
        stored=earlier,
        carried=len(warm.subnets) if warm is not None and settings.warm_start_all else 0,
    )
    settings = replace(settings, sampler=sampler)
    search = check_search(
        settings,
        objectives=names,
        space=space,
        own_units=known.own_units,
        own_sampler=own_sampler(sampler, samplers),
        warm=warm,
    )
    return Plan(
        settings,
        database,
        names,
        own,
        table,
        space,
        chips,
        constraints,
        added,
        shares,
        checkpoint,
        search,
        stored,
    )


def named(settings: StudySettings) -> StudySettings:
    """The settings, with the name of the study.

    Raises:
        H4HError: The search space or an objective is wrong.
    """
    if settings.study is not None:
        return settings
    table = searched_table(settings)
    space = searched_networks(settings) if table is None else table.space
    names = objectives_of(settings, table=table).names
    return replace(settings, study=study_name(settings, space, names))


def study_name(settings: StudySettings, space: Space, names: Sequence[str]) -> str:
    """Name of the study: the given one, else space, objectives and seed."""
    if settings.study is not None:
        return settings.study
    return f"{space.name}-{'-'.join(names)}-s{settings.seed}"


def _in_order(constraints: tuple[Constraint, ...], stored: Sequence[str]) -> tuple[Constraint, ...]:
    """The limits in the order of a stored study, if they are the same: their order decides no result."""
    by_text = {str(limit): limit for limit in constraints}
    return tuple(by_text[text] for text in stored) if by_text.keys() == set(stored) else constraints


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


def _stored(database: Path, name: str) -> StoredStudy | None:
    """The study of this name in the database, if there is one."""
    if not database.exists():
        return None
    with open_store(database) as store:
        study = store.find(name)
        if study is None:
            return None
        software = [each for each, _ in store.software(name)]
        return StoredStudy(study, store.count(name), tuple(software))


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
