"""Score the front of a study on images that the search never saw: the test split, or unused search images.

    python -m studies.validate NAME --data DIR
    python -m studies.validate NAME --confirm 2000
    python -m studies.validate NAME --compile

Networks, weights and number format are those of the study. A search selects the networks that are best on its
own images, so their accuracies are too high on average. Accuracies on other images are not.

With the test split, the batch-norm calibration is that of the study. `--confirm` takes the calibration of an
extracted network, ranks the front by the new accuracies, and leaves the test split for the final figure.
`--compile` checks cycles instead: it exports each network and compiles the file by Arm's Vela.

Figures by class show what accuracy hides where some classes are rare: balanced accuracy of every network, and
recall and confusion of the most accurate one. `--json` has them for all, and `studies.report` shows them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from studies.analysis.confirmed_ranking import outcome_correlation, ranked
from studies.analysis.held_out_scores import (
    CONFIDENCE,
    FrontScores,
    agreement,
    score_front,
)
from studies.analysis.validation_plan import ACCURACY, ValidationPlan, plan_validation
from studies.presentation.plain_records import evaluation_record
from studies.presentation.text_table import front_table, scope_lines
from studies.storage.named_study import add_database, add_study, located
from supernet.images.folder_layouts import DEFAULT_DATA, add_data


def parser() -> Parser:
    """The command line of this module."""
    result = Parser(
        prog="python -m studies.validate",
        description="Score the Pareto front of a study on test images that the search never saw.",
    )
    add = result.add_argument
    add_database(add)
    add_study(result, "study whose front is scored")
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
    add(
        "--confirm",
        type=int,
        metavar="N",
        help="score on N search images that the study did not use instead of test images, and rank by them",
    )
    add(
        "--compile",
        action="store_true",
        help="compile the networks' files by Arm's Vela instead, and compare its cycles with the cost model",
    )
    add("--json", action="store_true", help="print JSON instead of a table")
    return result


def compile_front(plan: ValidationPlan, *, as_json: bool) -> None:
    """Compiles the networks and prints how the cost model agrees with the compiler.

    Raises:
        H4HError: A network cannot be compiled, or the cost model is off by more than 5 % on average.
    """
    from studies.deployment.compiled_network import check_front, columns, compiled_front

    front = compiled_front(plan, Console(stderr=True))
    if as_json:
        networks = [
            {
                "id": evaluation.index,
                "vela_cycles": network.cycles,
                "model_cycles": network.modelled_cycles,
                "vela_sram_bytes": network.report.sram_bytes,
                "model_sram_bytes": network.modelled_sram,
            }
            for evaluation, network in front.members
        ]
        found = {"mean_error": front.mean_error, "rank_correlation": front.rank_correlation}
        print(json.dumps({"study": plan.study.name, **found, "networks": networks}, allow_nan=False))
    else:
        members = [evaluation for evaluation, _ in front.members]
        print_wide(front_table(plan.study, members, more=columns(front.members)))
        print_scope(plan)
        order = front.rank_correlation
        print(
            f"cycles of the NPU alone, cost model against Vela: mean error {front.mean_error:.2%}"
            + ("" if order is None else f", Spearman's correlation {order:.4f}")
        )
    check_front(front)


MOST_CONFUSION = 100
"""Number of classes up to which the confusion matrix of every network is in the JSON."""
NAMED = 3
"""Largest number of networks with a warning of their own."""


def by_class(found: FrontScores) -> list[dict[str, Any]]:
    """Figures by class of each network as plain data for JSON."""
    names = found.class_names
    records = [found.figures(place).to_json(names) for place in range(len(found.scores))]
    for one in records if len(names) > MOST_CONFUSION else ():
        del one["confusion"]
    return records


def record(plan: ValidationPlan, found: FrontScores) -> dict[str, Any]:
    """The scores as plain data for JSON."""
    scores = found.scores
    order = agreement(scores)
    return {
        "study": plan.study.name,
        "precision": plan.part("precision"),
        "split": "test",
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
                "by_class": figures,
            }
            for score, figures in zip(scores, by_class(found), strict=True)
        ],
    }


def confirmed_record(plan: ValidationPlan, found: FrontScores) -> dict[str, Any]:
    """The ranking by new images as plain data for JSON."""
    scores = found.scores
    figures = dict(zip([score.evaluation.index for score in scores], by_class(found), strict=True))
    return {
        "study": plan.study.name,
        "precision": plan.part("precision"),
        "split": "search",
        "confirm_images": scores[0].images,
        "confidence": CONFIDENCE,
        "mean_search": mean([score.search for score in scores]),
        "mean_confirmed": mean([score.test for score in scores]),
        "outcome_correlation": outcome_correlation(scores),
        "subnets": [
            {
                **evaluation_record(plan.study, row.score.evaluation),
                ACCURACY: row.score.search,
                "confirmed_acc": row.score.test,
                "confirmed_low": row.score.interval[0],
                "confirmed_high": row.score.interval[1],
                "behind": row.behind,
                "behind_error": row.error,
                "tie": row.tie,
                "by_class": figures[row.score.evaluation.index],
            }
            for row in ranked(scores)
        ],
    }


def print_confirmed(plan: ValidationPlan, found: FrontScores) -> None:
    """Prints the front, most accurate on the new images first."""
    scores = found.scores
    rows = ranked(scores)
    balanced = dict(zip([score.evaluation.index for score in scores], _balanced(found), strict=True))
    print(
        f"study {plan.study.name!r}: {len(rows)} subnets on {scores[0].images:,} search images that it did "
        f"not use, {plan.part('precision')}"
    )
    columns = {
        "new acc %": [f"{row.score.test:.2f}" for row in rows],
        "95 % interval": ["{:.2f} to {:.2f}".format(*row.score.interval) for row in rows],
        "balanced %": [balanced[row.score.evaluation.index] for row in rows],
        "behind": [f"{row.behind:.2f} ± {row.error:.2f}" for row in rows],
        "tie": [str(row.tie) for row in rows],
    }
    print_wide(front_table(plan.study, [row.score.evaluation for row in rows], more=columns))
    print_scope(plan)
    search, new = mean([score.search for score in scores]), mean([score.test for score in scores])
    print(f"mean accuracy {search:.2f} % on the study's images, {new:.2f} % on the new ones")
    correlation = outcome_correlation(scores)
    if correlation is not None:
        print(f"outcomes of two networks on an image correlate by {correlation:.2f} (median)")
    print_by_class(found, "search")


def _balanced(found: FrontScores) -> list[str]:
    """Balanced accuracy of each network, as text."""
    return [f"{found.figures(place).balanced:.2f}" for place in range(len(found.scores))]


def print_by_class(found: FrontScores, split: str) -> None:
    """Prints figures by class of the most accurate network, and warns of classes that are never predicted.

    Args:
        found: The scores.
        split: Name of the images.
    """
    from supernet.accuracy.class_figures import few_classes_warning
    from supernet.accuracy.class_tables import class_table, summary

    names = found.class_names
    best = max(range(len(found.scores)), key=lambda place: found.scores[place].right)
    figures = found.figures(best)
    print(f"id {found.scores[best].evaluation.index} on the {split} images: {summary(figures, names)}")
    print_wide(class_table(figures, names))
    warnings = [
        text
        for place, score in enumerate(found.scores)
        if (text := few_classes_warning(f"id {score.evaluation.index}", split, found.figures(place), names))
    ]
    for text in warnings[:NAMED]:
        print(f"warning: {text}", file=sys.stderr)
    if len(warnings) > NAMED:
        print(f"warning: {len(warnings) - NAMED} more networks predict too few classes", file=sys.stderr)


def print_scope(plan: ValidationPlan) -> None:
    """Prints what latency and energy of the table above cover."""
    for line in scope_lines(plan.study.objectives):
        print(line)


def mean(values: Sequence[float]) -> float:
    """Mean of one value or more."""
    return sum(values) / len(values)


def print_scores(plan: ValidationPlan, found: FrontScores, *, is_complete: bool) -> None:
    """Prints the table of scores, and how search and test agree."""
    scores = found.scores
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
    columns["balanced %"] = _balanced(found)
    print_wide(front_table(plan.study, [score.evaluation for score in scores], more=columns))
    print_scope(plan)
    search, test = mean([score.search for score in scores]), mean([score.test for score in scores])
    print(f"mean accuracy {search:.2f} % on search images, {test:.2f} % on test images")
    order = agreement(scores)
    if order.tau is None:
        print("too few different accuracies to compare the ranking of search and test")
    else:
        print(f"order of search and test: Kendall's tau {order.tau:.3f} (p = {order.p_value:.2g})")
    print_by_class(found, "test")


def main(arguments: Sequence[str] | None = None) -> None:
    """Scores the front and prints the scores.

    Raises:
        H4HError: The study, its checkpoint or the images are missing, damaged or do not belong together.
    """
    options = parser().parse_args(arguments)
    if options.compile and options.confirm is not None:
        parser().error("--compile scores no images: leave out --confirm")
    plan = plan_validation(
        *located(options.study, options.db),
        checkpoint=options.checkpoint,
        data=options.data,
        dataset=options.dataset,
        device=options.device,
        is_complete=options.all,
        confirm=options.confirm,
    )
    if options.compile:
        compile_front(plan, as_json=options.json)
        return
    found = score_front(plan, Console(stderr=True))
    if options.json:
        as_record = record if plan.confirm is None else confirmed_record
        print(json.dumps(as_record(plan, found), allow_nan=False))
    elif plan.confirm is not None:
        print_confirmed(plan, found)
    else:
        print_scores(plan, found, is_complete=options.all)


if __name__ == "__main__":
    run_command(main)
