"""Scores the front of a study on the whole test split, which the search never saw.

    python -m studies.validate --study NAME --data DIR

Networks, weights, batch-norm calibration and number format are those of the study; only the images that are
classified are others. Since the search chose what is best on its own images, the accuracies it found are too
high on average; those of the test split are not.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import track
from scipy import stats

from search_space.byte_count import parse_bytes
from search_space.command_line import Parser, run_command
from search_space.errors import H4HError
from search_space.space import Space
from search_space.wide_table import print_wide
from studies.database_option import add_database
from studies.evaluation import Evaluation
from studies.fingerprint import part_of
from studies.joint_space import networks_of
from studies.show import evaluation_record
from studies.store import open_store
from studies.study import Study
from studies.table import front_table
from supernet.checkpoints import built_in_checkpoint
from supernet.layouts import DEFAULT_DATA, add_data
from supernet.memory_budget import DEFAULT_MEMORY

if TYPE_CHECKING:  # torch takes seconds to import, and most mistakes can be told without
    from supernet.images import Images, LabelledImages

ACCURACY = "acc"
CONFIDENCE = 0.95
PACK_DATA = "cifar10"
"""The data set that the evaluation pack is part of."""


class ValidationError(H4HError):
    """A study that cannot be scored on these images or with these weights."""


def parser() -> Parser:
    """The command line of this module."""
    result = Parser(
        prog="python -m studies.validate",
        description="Scores the Pareto front of a study on test images that the search never saw.",
    )
    add = result.add_argument
    add_database(add)
    add("--study", metavar="NAME", required=True, help="whose front is scored")
    add_data(add, otherwise=f"the study's --data, else {DEFAULT_DATA}")
    add(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="where the study's supernet lies now (default: where it lay)",
    )
    add("--device", help="auto, cpu or cuda (default: the study's)")
    add("--all", action="store_true", help="every subnet whose accuracy the study measured, not the front")
    add("--json", action="store_true", help="print JSON instead of a table")
    return result


@dataclass(frozen=True)
class Plan:
    """What is scored and how the study measured it: everything that can be known without torch.

    Attributes:
        study: The study.
        space: The networks that it searches.
        chosen: The subnets that are scored, with the accuracy that the search found, in %.
        checkpoint: File of the supernet.
        data: Folder of the data set.
        dataset: Which one, where the folder holds several.
        is_pack: Whether the study used the evaluation pack in the repository.
        device: As `resolve_device` takes it.
    """

    study: Study
    space: Space
    chosen: tuple[tuple[Evaluation, float], ...]
    checkpoint: Path
    data: Path
    dataset: str | None
    is_pack: bool
    device: str

    def part(self, name: str) -> str:
        """What the study's fingerprint says of its accuracy measurement.

        Raises:
            ValidationError: The fingerprint says nothing of it.
        """
        found = part_of(self.study.fingerprint, ACCURACY, name)
        if found is None:
            raise ValidationError(
                f"study {self.study.name!r} does not say with which {name} it measured accuracy"
            )
        return found

    @property
    def memory(self) -> float:
        """Bytes that maps may take."""
        return parse_bytes(self.study.settings.get("memory", DEFAULT_MEMORY), option="memory of the study")


def check(options: Namespace) -> Plan:
    """Reads the study and what its settings say, without torch.

    Raises:
        H4HError: There is no such study, it measured no accuracy, or holds nothing to score.
    """
    with open_store(options.db) as store:
        study = store.study(options.study)
        evaluations = store.evaluations(study.name)
    if ACCURACY not in study.quantities:
        raise ValidationError(
            f"study {study.name!r} measured no accuracy, only {', '.join(study.objectives)}: there are no "
            f"weights to score; make a study with acc among its --objectives"
        )
    column = study.quantities.index(ACCURACY)
    wanted = evaluations if options.all else study.front(evaluations)
    known = [(one, (*one.values, *one.limited)[column]) for one in wanted]
    chosen = tuple((one, accuracy) for one, accuracy in known if accuracy is not None and not one.is_bound)
    if not chosen:
        raise ValidationError(
            f"study {study.name!r} has no subnet to score: none of its {len(evaluations)} evaluations "
            f"holds all constraints"
        )
    settings = study.settings
    checkpoint = options.checkpoint or (
        Path(settings["checkpoint"]) if settings.get("checkpoint") else built_in_checkpoint(study.space)
    )
    is_pack = part_of(study.fingerprint, ACCURACY, "data_set") is None
    dataset = options.dataset or settings.get("dataset")
    if is_pack and (dataset or PACK_DATA) != PACK_DATA:
        raise ValidationError(
            f"--dataset must be {PACK_DATA}, whose images study {study.name!r} searched on, but got {dataset}"
        )
    return Plan(
        study=study,
        space=networks_of(study.search_space),
        chosen=chosen,
        checkpoint=checkpoint,
        data=options.data or Path(settings.get("data") or DEFAULT_DATA),
        dataset=PACK_DATA if is_pack else dataset,
        is_pack=is_pack,
        device=options.device or settings.get("device", "cpu"),
    )


@dataclass(frozen=True)
class Score:
    """One subnet on the test split.

    Attributes:
        evaluation: What the study knows of it.
        search: Accuracy on the search images in %.
        right: Test images that it classifies right.
        images: Test images.
    """

    evaluation: Evaluation
    search: float
    right: int
    images: int

    @property
    def test(self) -> float:
        """Accuracy on the test images in %."""
        return 100 * self.right / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """Where the accuracy on all such images lies with 95 % confidence, in %.

        By Wilson's score (1927), which holds for accuracies near 0 or 100 % and for few images, too.
        """
        found = stats.binomtest(self.right, self.images).proportion_ci(CONFIDENCE, method="wilson")
        return 100 * float(found.low), 100 * float(found.high)


@dataclass(frozen=True)
class Agreement:
    """Kendall's tau-b of the accuracies on search and test images.

    Attributes:
        tau: 1 for the same order, 0 for none in common; None where one side has no order.
        p_value: Chance of a tau as far from 0 if the two had nothing in common.
    """

    tau: float | None
    p_value: float | None


def agreement(scores: Sequence[Score]) -> Agreement:
    """How far search and test put subnets in the same order."""
    if len(scores) < 2:
        return Agreement(None, None)
    found = stats.kendalltau([one.search for one in scores], [one.test for one in scores])
    if isnan(found.statistic):
        return Agreement(None, None)
    return Agreement(float(found.statistic), float(found.pvalue))


def score(plan: Plan, console: Console) -> list[Score]:
    """Classifies the test images by every chosen subnet.

    Args:
        plan: What is scored.
        console: Shows progress.

    Raises:
        ValidationError: The checkpoint or the images are not those of the study.
        H4HError: One of them is damaged or absent, or a class score is not finite.
    """
    from supernet import oracle, shared_oracle
    from supernet.allocator import keep_freed_memory
    from supernet.checkpoint import load_checkpoint
    from supernet.images import BATCH
    from supernet.memory_budget import MemoryBudget
    from supernet.precision import INT8, emulation_warning, resolve_device

    device = resolve_device(plan.device)
    check_checkpoint(plan)
    calibration_images, test = images(plan)
    keep_freed_memory()
    supernet = load_checkpoint(plan.checkpoint, plan.space).to(device).eval()
    precision = plan.part("precision")
    if warning := emulation_warning(precision, device):
        console.print(warning, soft_wrap=True)
    show = console.is_terminal
    # A network is scored once, on however many chips the study has it.
    networks = list(dict.fromkeys(plan.study.network(one.genotype) for one, _ in plan.chosen))
    with console.status("batch-norm statistics") if show else nullcontext():
        calibrated = shared_oracle.calibrated(
            supernet,
            [plan.space.decode(one) for one in networks],
            oracle.prepare(calibration_images, precision=precision, device=device),
            memory=MemoryBudget(plan.memory),
            in_integers=precision == INT8,
        )
    batches = oracle.stream(test, precision=precision, device=device)
    count = -(-len(test) // BATCH)
    right = [0] * len(networks)
    for batch in track(batches, "test images", count, console=console, transient=True, disable=not show):
        found = shared_oracle.correct(calibrated, [batch]).sum(1).tolist()
        right = [before + new for before, new in zip(right, found, strict=True)]
    counts = dict(zip(networks, right, strict=True))
    return [
        Score(one, search, counts[plan.study.network(one.genotype)], len(test)) for one, search in plan.chosen
    ]


def check_checkpoint(plan: Plan) -> None:
    """Raises `H4HError` unless the checkpoint is there and the study's own."""
    from supernet.checkpoint import file_digest
    from supernet.checkpoint_header import read_header

    read_header(plan.checkpoint)  # says what is wrong with a file that is none
    got, expected = file_digest(plan.checkpoint), plan.part("checkpoint")
    if got != expected:
        raise ValidationError(
            f"checkpoint {plan.checkpoint} is not the one of study {plan.study.name!r} (SHA-256 {got[:12]}, "
            f"not {expected[:12]}): name the file that it was made with by --checkpoint"
        )


def images(plan: Plan) -> tuple[LabelledImages, Images]:
    """The study's calibration images, and the test split.

    Raises:
        ValidationError: The calibration or search images are not those of the study.
        DatasetError: There is no data set or it is damaged.
    """
    from supernet.datasets import evaluation_images, open_data
    from supernet.evaluation_pack import built_in_pack, load_pack

    counts = {name: int(plan.part(name)) for name in ("val_images", "calibration_images")}
    test = open_data(plan.data, plan.dataset, plan.space).read_test()
    if plan.is_pack:
        pack = load_pack(built_in_pack())
    else:
        pack = evaluation_images(
            plan.data, plan.dataset, space=plan.space, checkpoint=plan.checkpoint, **counts
        )
    expected = plan.part("images")
    if pack.digest != expected:
        raise ValidationError(
            f"search and calibration images are not those of study {plan.study.name!r} (SHA-256 "
            f"{pack.digest[:12]}, not {expected[:12]}): give the data set that it was made with, unchanged, "
            f"by --data"
        )
    return pack.calibration[: counts["calibration_images"]], test


def record(plan: Plan, scores: Sequence[Score]) -> dict[str, Any]:
    """What `--json` prints."""
    order = agreement(scores)
    return {
        "study": plan.study.name,
        "precision": plan.part("precision"),
        "test_images": scores[0].images,
        "confidence": CONFIDENCE,
        "kendall_tau": order.tau,
        "p_value": order.p_value,
        "mean_search": mean([one.search for one in scores]),
        "mean_test": mean([one.test for one in scores]),
        "subnets": [
            {
                **evaluation_record(plan.study, one.evaluation),
                ACCURACY: one.search,
                "test_acc": one.test,
                "test_low": one.interval[0],
                "test_high": one.interval[1],
            }
            for one in scores
        ],
    }


def mean(values: Sequence[float]) -> float:
    """Of one value or more."""
    return sum(values) / len(values)


def print_scores(plan: Plan, scores: Sequence[Score], *, is_complete: bool) -> None:
    """The table, and how search and test agree."""
    which = "subnets" if is_complete else "subnets of the front"
    print(
        f"study {plan.study.name!r}: {len(scores)} {which} on {scores[0].images:,} test images, "
        f"{plan.part('precision')}"
    )
    columns = {} if ACCURACY in plan.study.objectives else {"acc %": [f"{one.search:.2f}" for one in scores]}
    columns["test %"] = [f"{one.test:.2f}" for one in scores]
    columns["95 % interval"] = ["{:.2f} to {:.2f}".format(*one.interval) for one in scores]
    print_wide(front_table(plan.study, [one.evaluation for one in scores], more=columns))
    search, test = mean([one.search for one in scores]), mean([one.test for one in scores])
    print(f"mean accuracy {search:.2f} % on search images, {test:.2f} % on test images")
    order = agreement(scores)
    if order.tau is None:
        print("too few different accuracies to compare the order of search and test")
    else:
        print(f"order of search and test: Kendall's tau {order.tau:.3f} (p = {order.p_value:.2g})")


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints what the command line asks for.

    Raises:
        H4HError: The study, its checkpoint or the images are missing, damaged or do not belong together.
    """
    options = parser().parse_args(arguments)
    plan = check(options)
    scores = score(plan, Console(stderr=True))
    if options.json:
        print(json.dumps(record(plan, scores), allow_nan=False))
    else:
        print_scores(plan, scores, is_complete=options.all)


if __name__ == "__main__":
    run_command(main)
