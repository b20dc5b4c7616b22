"""Networks of TensorFlow Lite files on the chip of a study, to stand beside its front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from objectives.hardware import CostModel
from objectives.hardware_objectives import mapped_totals
from objectives.registry import registered_objectives
from objectives.tflite_network.network import TfliteNetwork, read_network
from objectives.tflite_network.vela_comparison import compared, missing_text
from objectives.workload import peak_bytes, read_again
from search_space.errors import H4HError
from studies.analysis.assumed_numbers import cost_model
from studies.design_space.chip_choices import MAPPING
from studies.study.evaluation import Evaluation
from studies.study.study import Study

OPTION = "--beside"
HELP = (
    "int8 TensorFlow Lite file to show beside the front, and its accuracy in percent if known; may be "
    "repeated"
)
METAVAR = "FILE.tflite[=ACCURACY]"


class BesideError(H4HError):
    """A wrong value of `--beside`, or a network that a study's chip cannot cost."""


@dataclass(frozen=True)
class BesideFile:
    """One value of `--beside`.

    Attributes:
        path: The file.
        accuracy: Accuracy in percent; None if it was not given.
        network: The network.
    """

    path: Path
    accuracy: float | None
    network: TfliteNetwork


@dataclass(frozen=True)
class BesideRow:
    """One network in one mapping on the chip of a study.

    Attributes:
        name: Name of the file.
        mapping: Cost that the mapping minimises.
        values: Value of each objective of the study; None for one that a file does not have.
        better: Members of the front that are at least as good in all known values, and better in one.
        note: What the values leave out; empty for a network that is costed whole.
    """

    name: str
    mapping: str
    values: tuple[float | None, ...]
    better: int
    note: str


def read_beside(texts: Sequence[str]) -> list[BesideFile]:
    """Reads all values of the option.

    Raises:
        BesideError: An accuracy is no percentage.
        TfliteError: A file is no network that can be costed.
    """
    files = []
    for text in texts:
        path, accuracy = _parsed(text)
        files.append(BesideFile(path, accuracy, read_network(path)))
    return files


def _parsed(text: str) -> tuple[Path, float | None]:
    name, equals, number = text.rpartition("=")
    if not equals or "/" in number or number.endswith(".tflite"):
        return Path(text), None
    try:
        accuracy = float(number.removesuffix("%"))
    except ValueError:
        accuracy = -1.0
    if not 0 <= accuracy <= 100:
        raise BesideError(
            f"{OPTION} {text}: the accuracy must be a percentage from 0 to 100, but got {number!r:.40}"
        )
    return Path(name), accuracy


def beside_rows(study: Study, front: Sequence[Evaluation], files: Sequence[BesideFile]) -> list[BesideRow]:
    """Each network on the chip of `study`, in each mapping that the study chooses from.

    A study that searches the chip has it on its greatest one.

    Args:
        study: The study.
        front: Members of its front.
        files: The networks.

    Raises:
        HardwareError: The study measured neither latency nor energy, or its cost model has changed since.
    """
    if not files:
        return []
    models = _models(study)
    rows = []
    for file in files:
        for model in models:
            values = _values(study, file, model)
            rows.append(
                BesideRow(
                    file.path.name,
                    model.mapper.name,
                    values,
                    _better(study, front, values),
                    _note(file.network, model),
                )
            )
    return rows


def _models(study: Study) -> list[CostModel]:
    if MAPPING not in study.hardware_choices:
        models = [cost_model(study)]
    else:
        chip = study.chips.greatest
        models = [cost_model(study, replace(chip, mapping=name)) for name in study.chips.mapping]
    if not models[0].soc.has_npu:
        raise BesideError(
            f"{OPTION} needs a chip with an NPU, but study {study.name!r} is of {models[0].soc.name!r}"
        )
    return models


def _values(study: Study, file: BesideFile, model: CostModel) -> tuple[float | None, ...]:
    steps = file.network.steps
    totals = mapped_totals(model, steps, model.network(file.network.ops, read_again(steps)))
    latency_ms, energy_mj = (np.array([total]) for total in totals)
    known: dict[str, float | None] = {
        name: float(objective.of_totals(model)(latency_ms, energy_mj)[0])
        for name, objective in registered_objectives(study.objectives).items()
        if objective.follows_totals
    }
    known |= {
        "acc": file.accuracy,
        "macs": float(sum(step.op.macs for step in steps)),
        "params": float(file.network.parameters),
        "sram": float(peak_bytes(steps)),
    }
    if "area" in study.objectives:
        known["area"] = model.soc.area_mm2
    return tuple(known.get(goal.name) for goal in study.goals)


def _better(study: Study, front: Sequence[Evaluation], values: tuple[float | None, ...]) -> int:
    signs = [1 if goal.direction == "min" else -1 for goal in study.goals]
    places = [place for place, value in enumerate(values) if value is not None]

    def beats(member: Evaluation) -> bool:
        gains = []
        for place in places:
            own, other = values[place], member.values[place]
            if own is None or other is None:
                return False
            gains.append(signs[place] * (own - other))
        return bool(gains) and min(gains) >= 0 and max(gains) > 0

    return sum(map(beats, front))


def _note(network: TfliteNetwork, model: CostModel) -> str:
    if not network.missing:
        return ""
    names = ", ".join(missing_text(each) for each in network.missing[:3])
    more = f" and {len(network.missing) - 3} more" if len(network.missing) > 3 else ""
    try:
        covered = (
            f"{compared(network, model.soc.npu, model.npu_model).covered:.1%} of Vela's cycles are costed"
        )
    except H4HError as error:
        covered = f"their share of Vela's cycles is unknown ({error})"
    return f"without {names}{more}; {covered}"


def beside_notes(rows: Sequence[BesideRow]) -> list[str]:
    """One sentence for each row on how it stands to the front, and what it leaves out."""
    notes = []
    for row in rows:
        members = f"{row.better} member{'' if row.better == 1 else 's'} of the front"
        verb = "is" if row.better == 1 else "are"
        notes.append(
            f"{row.name}, mapped for {row.mapping}: {members} {verb} at least as good in every known value "
            f"and better in one" + (f"; {row.note}" if row.note else "")
        )
    return notes
