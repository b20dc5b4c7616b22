"""Objectives that settings name: built in, the user's own, or columns of an accuracy table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from objectives.objective import Declaration
from objectives.own_objective import OwnObjective, own_objectives
from objectives.registry import PLUG_INS, built_in_objectives, check_objectives, declarations
from objectives.tabled.accuracy_table import AccuracyTable
from objectives.tabled.table_columns import TableError
from search_space.table_space import is_table_space
from studies.study.constraint import limited_quantity
from studies.study.quantity_units import BLOCK_COUNTS
from studies.study.settings import StudySettings


@dataclass(frozen=True)
class NamedObjectives:
    """Objectives of a study by name.

    Attributes:
        names: Names of the objectives, in order.
        own: User-defined objectives, constrained ones included, by name.
        tabled: Objectives in the accuracy table, by name.
    """

    names: tuple[str, ...]
    own: Mapping[str, OwnObjective]
    tabled: Mapping[str, Declaration] = field(default_factory=dict)

    @property
    def depending_on_chip(self) -> tuple[str, ...]:
        """Names of all objectives that depend on the chip, in this study or not."""
        declared: dict[str, Declaration | OwnObjective] = {**declarations(), **self.own, **self.tabled}
        return tuple(name for name, objective in declared.items() if "chip" in objective.depends_on)

    @property
    def expensive(self) -> frozenset[str]:
        """Names of all expensive objectives, in this study or not."""
        declared: dict[str, Declaration | OwnObjective] = {**declarations(), **self.own, **self.tabled}
        return frozenset(name for name, objective in declared.items() if objective.is_expensive)

    @property
    def own_units(self) -> dict[str, str]:
        """Units of the user's own objectives and of those in the table, by name."""
        declared: dict[str, Declaration | OwnObjective] = {**self.own, **self.tabled}
        return {name: objective.unit for name, objective in declared.items()}


def objectives_of(
    settings: StudySettings, given: Sequence[object] = (), table: AccuracyTable | None = None
) -> NamedObjectives:
    """The objectives of `settings` and `given`, with references and names of packages resolved.

    A given object that the settings do not name is one more objective.

    Raises:
        H4HError: An objective is unknown, wrong, or named twice, or the networks of the table's own space
            have no such value.
    """
    tabled = {} if table is None else table.declarations
    wanted = dict.fromkeys([*settings.objectives, *map(limited_quantity, settings.constraints)])
    own = own_objectives(
        [name for name in wanted if name not in {*tabled, *BLOCK_COUNTS}],
        given,
        built_in_objectives(),
        PLUG_INS.find,
    )
    if table is not None:
        _check_tabled(settings, table, own)
    named = [own[name].name if name in own else name for name in settings.objectives]
    mentioned = {*named, *map(limited_quantity, settings.constraints)}
    named += [objective.name for objective in own.values() if objective.name not in mentioned]
    by_name = {objective.name: objective for objective in own.values()}
    built_in = [name for name in named if name not in by_name and name not in tabled]
    if built_in:
        check_objectives(built_in)
    return NamedObjectives(tuple(named), by_name, tabled)


def _check_tabled(settings: StudySettings, table: AccuracyTable, own: Mapping[str, OwnObjective]) -> None:
    """Refuses quantities that neither the table nor anything else gives.

    The project cannot compute anything of the networks of a table's own space. Where it can, the table must
    still give something.
    """
    tabled, given = table.declarations, [name for name in settings.objectives if name not in own]
    needed = dict.fromkeys([*given, *map(limited_quantity, settings.constraints)])
    missing = [name for name in needed if name not in tabled]
    if missing and is_table_space(table.space):
        raise TableError(
            f"--accuracy-table {table.source} has no column {missing[0]!r}, and nothing else is known of its "
            f"networks: name some of --objectives {','.join(tabled)}"
        )
    if not set(needed) & set(tabled):
        raise TableError(
            f"--accuracy-table {table.source} gives {', '.join(tabled)}, but neither an objective nor a "
            f"constraint needs it: name one in --objectives, or leave out the table"
        )
