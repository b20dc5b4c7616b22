"""Score the front of a study on the test split, which the search never saw.

    python -m studies.validate --study NAME --data DIR

Networks, weights, batch-norm calibration and number format are those of the study. Only the classified images
differ. A search selects the networks that are best on its own images, so their accuracies are too high on
average. Accuracies on the test split are not.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from studies.analysis.held_out_scores import (
    ACCURACY,
    CONFIDENCE,
    HeldOutScore,
    ValidationPlan,
    agreement,
    plan_validation,
    score_front,
)
from studies.presentation.plain_records import evaluation_record
from studies.presentation.text_table import front_table
from studies.storage.named_study import add_database
from supernet.images.folder_layouts import DEFAULT_DATA, add_data


def parser() -> Parser:
    """The command line of this module."""
    result = Parser(
        prog="python -m studies.validate",
        description="Score the Pareto front of a study on test images that the search never saw.",
    )
    add = result.add_argument
    add_database(add)
    add("--study", metavar="NAME", required=True, help="study whose front is scored")
    add_data(add, otherwise=f"the study's --data, else {DEFAULT_DATA}")
    add(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="supernet of the study, if it was moved (default: where it was)",
    )
    add("--device", help="device to compute on: auto, cpu or cuda (default: that of the study)")
    add(
        "--all",
        action="store_true",
        help="score every subnet whose accuracy was measured, not only the front",
    )
    add("--json", action="store_true", help="print JSON instead of a table")
    return result


def record(plan: ValidationPlan, scores: Sequence[HeldOutScore]) -> dict[str, Any]:
    """The scores as plain data for JSON."""
    order = agreement(scores)
    return {
        "study": plan.study.name,
        "precision": plan.part("precision"),
        "test_images": scores[0].images,
        "confidence": CONFIDENCE,
        "kendall_tau": order.tau,
        "p_value": order.p_value,
        "mean_search": mean([score.search for score in scores]),
        "mean_test": mean([score.test for score in scores]),
        "subnets": [
            {
                **evaluation_record(plan.study, score.evaluation),
                ACCURACY: score.search,
                "test_acc": score.test,
                "test_low": score.interval[0],
                "test_high": score.interval[1],
            }
            for score in scores
        ],
    }


def mean(values: Sequence[float]) -> float:
    """Mean of one value or more."""
    return sum(values) / len(values)


def print_scores(plan: ValidationPlan, scores: Sequence[HeldOutScore], *, is_complete: bool) -> None:
    """Prints the table of scores, and how search and test agree."""
    which = "subnets" if is_complete else "subnets of the front"
    print(
        f"study {plan.study.name!r}: {len(scores)} {which} on {scores[0].images:,} test images, "
        f"{plan.part('precision')}"
    )
    columns = (
        {} if ACCURACY in plan.study.objectives else {"acc %": [f"{score.search:.2f}" for score in scores]}
    )
    columns["test %"] = [f"{score.test:.2f}" for score in scores]
    columns["95 % interval"] = ["{:.2f} to {:.2f}".format(*score.interval) for score in scores]
    print_wide(front_table(plan.study, [score.evaluation for score in scores], more=columns))
    search, test = mean([score.search for score in scores]), mean([score.test for score in scores])
    print(f"mean accuracy {search:.2f} % on search images, {test:.2f} % on test images")
    order = agreement(scores)
    if order.tau is None:
        print("too few different accuracies to compare the ranking of search and test")
    else:
        print(f"order of search and test: Kendall's tau {order.tau:.3f} (p = {order.p_value:.2g})")


def main(arguments: Sequence[str] | None = None) -> None:
    """Scores the front and prints the scores.

    Raises:
        H4HError: The study, its checkpoint or the images are missing, damaged or do not belong together.
    """
    options = parser().parse_args(arguments)
    plan = plan_validation(
        options.db,
        options.study,
        checkpoint=options.checkpoint,
        data=options.data,
        dataset=options.dataset,
        device=options.device,
        is_complete=options.all,
    )
    scores = score_front(plan, Console(stderr=True))
    if options.json:
        print(json.dumps(record(plan, scores), allow_nan=False))
    else:
        print_scores(plan, scores, is_complete=options.all)


if __name__ == "__main__":
    run_command(main)
