"""A study in a notebook: `Study.load`, then front and evaluations as records that pandas takes as they are.

from studies import Study
study = Study.load("studies.db", "cifar32-acc-lat-energy-s0")
study                                  # summary and front as a table
pandas.DataFrame(study.evaluations())  # everything
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from studies.presentation.plain_records import rows
from studies.presentation.text_table import number_text
from studies.study.evaluation import Evaluation
from studies.study.study import Study

_SHOWN = 20


@dataclass(frozen=True, repr=False)
class LoadedStudy:
    """A study with its evaluations, as they were when it was loaded.

    Attributes:
        study: What was searched, for what, and under which settings.
        measured: Its evaluations, in order.
    """

    study: Study
    measured: tuple[Evaluation, ...]

    @property
    def hypervolume(self) -> float:
        """Of the front, 0 to 1, within the study's own bounds."""
        return self.study.hypervolume(self.measured)

    def evaluations(self) -> list[dict[str, Any]]:
        """One record for each evaluation, in order: id, objectives, counts, family, genotype, every gene.

        None where a value was not measured, and for a gene that the network does not use.
        """
        return rows(self.study, self.measured)

    def front(self) -> list[dict[str, Any]]:
        """The records of the Pareto front, best in the first objective first."""
        by_id = {record["id"]: record for record in self.evaluations()}
        return [by_id[one.index] for one in self.study.front(self.measured)]

    def __repr__(self) -> str:
        return (
            f"<study {self.study.name!r}: {len(self.measured)} evaluations of "
            f"{', '.join(self.study.objectives)} over space {self.study.space}, front of "
            f"{len(self.study.front(self.measured))}, hypervolume {self.hypervolume:.4f}>"
        )

    def _repr_html_(self) -> str:
        front = self.study.front(self.measured)
        goals = [f"{goal.name} {goal.unit}" for goal in self.study.goals]
        titles = ["id", *goals, *self.study.hardware_choices, "conv", "ViT", "family"]
        lines = [self._cells(one) for one in front[:_SHOWN]]
        more = f"<p>... {len(front) - _SHOWN} more: .front()</p>" if len(front) > _SHOWN else ""
        return f"<p>{escape(repr(self)[1:-1])}</p><table>{_row('th', titles)}{''.join(lines)}</table>{more}"

    def _cells(self, one: Evaluation) -> str:
        values = [
            number_text(value, goal.unit) for value, goal in zip(one.values, self.study.goals, strict=True)
        ]
        chip = self.study.chosen_hardware(one.genotype).values()
        values += ["-" if number is None else str(number) for number in chip]
        return _row("td", [str(one.index), *values, str(one.conv_blocks), str(one.vit_blocks), one.family])


def _row(tag: str, cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
