"""Scores of a study's front on images that the search did not use, with confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from math import isnan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from scipy import stats

from search_space.arrays import Booleans
from search_space.command.progress_lines import tracked
from studies.analysis.held_out_images import check_checkpoint, scored_images
from studies.analysis.validation_plan import ValidationPlan
from studies.study.evaluation import Evaluation

if TYPE_CHECKING:  # It imports torch, which takes seconds.
    from supernet.accuracy.class_figures import ClassFigures

CONFIDENCE = 0.95


def wilson(right: int, images: int) -> tuple[float, float]:
    """Wilson's 95 % confidence interval in % of the accuracy of `right` out of `images`."""
    interval = stats.binomtest(right, images).proportion_ci(CONFIDENCE, method="wilson")
    return 100 * float(interval.low), 100 * float(interval.high)


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
        return wilson(self.right, self.images)


@dataclass(frozen=True)
class FrontScores:
    """Scores of subnets, and what they predict.

    Attributes:
        scores: The subnets in the order of the study.
        labels: Class of each image, shape (images,).
        predicted: Predicted class of each image by subnet, in the same order, shape (subnets, images).
        class_names: Names of the classes.
    """

    scores: list[HeldOutScore]
    labels: NDArray[np.int32]
    predicted: NDArray[np.int32]
    class_names: tuple[str, ...]

    def figures(self, place: int) -> ClassFigures:
        """Figures by class of the subnet at `place` in `scores`."""
        from supernet.accuracy.class_figures import ClassFigures

        classes = len(self.class_names)
        cells = self.labels.astype(np.int64) * classes + self.predicted[place]
        return ClassFigures(np.bincount(cells, minlength=classes**2).reshape(classes, classes))


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


def score_front(plan: ValidationPlan, console: Console) -> FrontScores:
    """Scores every chosen subnet on the images that `plan` names.

    Args:
        plan: The subnets, and how the study measured them.
        console: Console that shows progress.

    Raises:
        ValidationError: The checkpoint or the images are not those of the study.
        H4HError: A file is damaged or absent, or a class score is not finite.
    """
    # Reading images imports torch.
    from supernet.accuracy import many_subnets as shared_oracle
    from supernet.accuracy import one_subnet as oracle
    from supernet.accuracy.memory_budget import MemoryBudget
    from supernet.checkpoints.image_input import supernet_image_input
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
            oracle.prepare(
                calibration_images, precision=precision, device=device, scale=supernet.pixel_scale
            ),
            memory=MemoryBudget(plan.memory),
            in_integers=precision == INT8,
        )
    batches = oracle.stream(test, precision=precision, device=device, scale=supernet.pixel_scale)
    count = -(-len(test) // BATCH)
    shown = tracked(batches, f"batches of {BATCH} images", count, console)
    parts = [calibrated.classify(pixels).cpu().numpy().astype(np.int32) for pixels, _ in shown]
    of_network = dict(zip(networks, np.concatenate(parts, axis=1), strict=True))
    labels = test.labels.cpu().numpy().astype(np.int32)
    predicted = np.stack(
        [of_network[plan.study.network(evaluation.genotype)] for evaluation, _ in plan.chosen]
    )
    scores = [
        HeldOutScore(evaluation, search, int(right.sum()), len(labels), right)
        for (evaluation, search), right in zip(plan.chosen, predicted == labels, strict=True)
    ]
    names = supernet_image_input(plan.checkpoint).class_names
    return FrontScores(scores, labels, predicted, names or tuple(map(str, range(plan.space.head.classes))))
