"""Plan of scoring a study's front again: which subnets, weights and images. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from search_space.command.byte_count import parse_bytes
from search_space.errors import H4HError
from search_space.space import Space
from studies.storage.store import open_store
from studies.study.evaluation import Evaluation
from studies.study.fingerprint import part_of
from studies.study.study import Study
from supernet.accuracy.memory_budget import DEFAULT_MEMORY
from supernet.checkpoints import built_in_checkpoint
from supernet.images.folder_layouts import DEFAULT_DATA

ACCURACY = "acc"


PACK_DATA = "cifar10"
"""Data set that the evaluation pack comes from."""


class ValidationError(H4HError):
    """A study that cannot be scored with these images or weights."""


@dataclass(frozen=True)
class ValidationPlan:
    """Subnets to score, and how the study measured them. All of it can be read without torch.

    Attributes:
        study: The study.
        space: Search space of the networks.
        chosen: The subnets to score, each with its accuracy on the search images in %.
        checkpoint: File of the supernet.
        data: Folder of the data set.
        dataset: Name of the data set if the folder holds several.
        is_pack: Whether the study used the evaluation pack in the repository.
        device: Name of the device, for `resolve_device`.
        confirm: Number of unused search images to score on; None for the test split.
    """

    study: Study
    space: Space
    chosen: tuple[tuple[Evaluation, float], ...]
    checkpoint: Path
    data: Path
    dataset: str | None
    is_pack: bool
    device: str
    confirm: int | None = None

    def part(self, name: str) -> str:
        """An entry of the study's fingerprint about the measurement of accuracy.

        Raises:
            ValidationError: The fingerprint has no such entry.
        """
        recorded = part_of(self.study.fingerprint, ACCURACY, name)
        if recorded is None:
            raise ValidationError(
                f"study {self.study.name!r} does not record the {name} with which it measured accuracy"
            )
        return recorded

    @property
    def memory(self) -> float:
        """Memory limit of the evaluation in bytes."""
        return parse_bytes(self.study.settings.get("memory", DEFAULT_MEMORY), option="memory of the study")


def plan_validation(
    database: Path,
    name: str,
    *,
    checkpoint: Path | None = None,
    data: Path | None = None,
    dataset: str | None = None,
    device: str | None = None,
    is_complete: bool = False,
    confirm: int | None = None,
) -> ValidationPlan:
    """Reads a study and its settings, without torch.

    Args:
        database: File of the study.
        name: Name of the study.
        checkpoint: File of its supernet; by default the file that the study used.
        data: Folder of its data set; by default that of the study.
        dataset: Name of the data set if the folder holds several.
        device: Device; by default that of the study.
        is_complete: Whether to score every subnet with a measured accuracy instead of the front only.
        confirm: Number of search images to score on that the study did not use; None for the test split.

    Raises:
        H4HError: There is no such study, it measured no accuracy, or it has no subnet to score.
    """
    with open_store(database) as store:
        study = store.study(name)
        evaluations = store.evaluations(study.name)
    if ACCURACY not in study.quantities:
        raise ValidationError(
            f"study {study.name!r} measured no accuracy, only {', '.join(study.objectives)}: there are no "
            f"weights to score; run a study with acc among its --objectives"
        )
    if study.settings.get("accuracy_table") and part_of(study.fingerprint, ACCURACY, "checkpoint") is None:
        raise ValidationError(
            f"accuracies of study {study.name!r} come from the table {study.settings['accuracy_table']}: "
            f"there are no weights to score; run a study without --accuracy-table"
        )
    column = study.quantities.index(ACCURACY)
    wanted = evaluations if is_complete else study.front(evaluations)
    known = [(evaluation, (*evaluation.values, *evaluation.limited)[column]) for evaluation in wanted]
    chosen = tuple(
        (evaluation, accuracy)
        for evaluation, accuracy in known
        if accuracy is not None and not evaluation.is_bound
    )
    if not chosen:
        raise ValidationError(
            f"study {study.name!r} has no subnet to score: none of its {len(evaluations)} evaluations "
            f"satisfies all constraints"
        )
    settings = study.settings
    checkpoint = checkpoint or (
        Path(settings["checkpoint"]) if settings.get("checkpoint") else built_in_checkpoint(study.space)
    )
    is_pack = part_of(study.fingerprint, ACCURACY, "data_set") is None
    dataset = dataset or settings.get("dataset")
    if is_pack and (dataset or PACK_DATA) != PACK_DATA:
        raise ValidationError(
            f"--dataset must be {PACK_DATA}, whose images study {study.name!r} searched on, but got {dataset}"
        )
    return ValidationPlan(
        study=study,
        space=study.search_space.networks,
        chosen=chosen,
        checkpoint=checkpoint,
        data=data or Path(settings.get("data") or DEFAULT_DATA),
        dataset=PACK_DATA if is_pack else dataset,
        is_pack=is_pack,
        device=device or settings.get("device", "cpu"),
        confirm=confirm,
    )
