"""Scores of a study's front on images that the search did not use, with confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from scipy import stats

from search_space.arrays import Booleans
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


CONFIDENCE = 0.95


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


@dataclass(frozen=True)
class HeldOutScore:
    """One subnet on images that the search did not use.

    Attributes:
        evaluation: The subnet's evaluation in the study.
        search: Accuracy on the search images in %.
        right: Number of these images that the subnet classifies correctly.
        images: Number of these images.
        outcomes: Whether it classifies each of them correctly, shape (images,).
    """

    evaluation: Evaluation
    search: float
    right: int
    images: int
    outcomes: Booleans = field(repr=False, compare=False)

    @property
    def test(self) -> float:
        """Accuracy on these images in %."""
        return 100 * self.right / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % confidence interval of the accuracy in %.

        Wilson's score (1927) also holds for accuracies near 0 or 100 % and for few images.
        """
        interval = stats.binomtest(self.right, self.images).proportion_ci(CONFIDENCE, method="wilson")
        return 100 * float(interval.low), 100 * float(interval.high)


@dataclass(frozen=True)
class Agreement:
    """Kendall's tau-b of the accuracies on search and test images.

    Attributes:
        tau: 1 for equal order, 0 for unrelated orders; None if all accuracies on one side are equal.
        p_value: Probability of a tau at least as far from 0 if the two orders were independent.
    """

    tau: float | None
    p_value: float | None


def agreement(scores: Sequence[HeldOutScore]) -> Agreement:
    """Rank agreement of the accuracies on search and test images."""
    if len(scores) < 2:
        return Agreement(None, None)
    correlation = stats.kendalltau([score.search for score in scores], [score.test for score in scores])
    if isnan(correlation.statistic):
        return Agreement(None, None)
    return Agreement(float(correlation.statistic), float(correlation.pvalue))


def score_front(plan: ValidationPlan, console: Console) -> list[HeldOutScore]:
    """Scores every chosen subnet on the images that `plan` names.

    Args:
        plan: The subnets, and how the study measured them.
        console: Console that shows progress.

    Raises:
        ValidationError: The checkpoint or the images are not those of the study.
        H4HError: A file is damaged or absent, or a class score is not finite.
    """
    # Reading images imports torch.
    from studies.analysis.held_out_images import check_checkpoint, scored_images
    from supernet.accuracy import many_subnets as shared_oracle
    from supernet.accuracy import one_subnet as oracle
    from supernet.accuracy.memory_budget import MemoryBudget
    from supernet.images.labelled_images import BATCH
    from supernet.network.freed_memory import keep_freed_memory
    from supernet.network.number_formats import INT8, emulation_warning, resolve_device
    from supernet.network.supernet_file import load_checkpoint

    device = resolve_device(plan.device)
    check_checkpoint(plan)
    calibration_images, test = scored_images(plan)
    keep_freed_memory()
    supernet = load_checkpoint(plan.checkpoint, plan.space).to(device).eval()
    precision = plan.part("precision")
    if warning := emulation_warning(precision, device):
        console.print(warning, soft_wrap=True)
    show = console.is_terminal
    # A network is scored once, even if the study has it on several chips.
    networks = list(dict.fromkeys(plan.study.network(evaluation.genotype) for evaluation, _ in plan.chosen))
    with console.status("batch-norm statistics") if show else nullcontext():
        calibrated = shared_oracle.calibrate(
            supernet,
            [plan.space.decode(genotype) for genotype in networks],
            oracle.prepare(calibration_images, precision=precision, device=device),
            memory=MemoryBudget(plan.memory),
            in_integers=precision == INT8,
        )
    batches = oracle.stream(test, precision=precision, device=device)
    count = -(-len(test) // BATCH)
    shown = track(batches, "images", count, console=console, transient=True, disable=not show)
    parts = [shared_oracle.correct(calibrated, [batch]).cpu().numpy() for batch in shown]
    outcomes = dict(zip(networks, np.concatenate(parts, axis=1), strict=True))
    scores = []
    for evaluation, search in plan.chosen:
        own = outcomes[plan.study.network(evaluation.genotype)]
        scores.append(HeldOutScore(evaluation, search, int(own.sum()), len(test), own))
    return scores
