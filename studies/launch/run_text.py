"""What `studies.run` prints."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace

from search_space.command.wide_table import print_wide
from studies.design_space.joint_space import chip_of, network_genes
from studies.launch.plan import Plan
from studies.presentation.next_commands import CHIP_OPTIONS, command_text, profile_command, study_command
from studies.presentation.text_table import front_table
from studies.search.loop import EXHAUSTED, Progress
from studies.storage.store import open_store
from studies.study.evaluation import Evaluation
from studies.study.prediction_quality import GenerationReport, summary
from studies.study.settings import PREDICTING, SEARCH_DEFAULTS
from studies.study.study import Study

SHOWN_ROWS = 20


def print_header(plan: Plan) -> None:
    """What is about to run, in one or two lines, before anything slow."""
    options = plan.options
    searched = plan.chips.options
    over = "" if searched is None else f" on {len(searched.chips)} chips ({searched})"
    print(
        f"study {plan.study!r} in {options.db}: {', '.join(plan.names)} over space {plan.space.name}{over}, "
        f"{options.sampler}, {options.population} subnets per generation, until {plan.search.rules}",
        flush=True,
    )
    if plan.search.warm is not None:
        warm = plan.search.warm
        print(f"warm start: {len(warm.subnets)} subnets of study {warm.study!r}", flush=True)
    if plan.checkpoint is not None:
        print(f"loading the supernet {plan.checkpoint.name} ...", flush=True)


def print_result(
    plan: Plan,
    study: Study,
    evaluations: Sequence[Evaluation],
    last: Progress,
    reports: Sequence[GenerationReport] = (),
) -> None:
    """What ended the search, the front as a table, and what to type next."""
    front = study.front(evaluations)
    infeasible = sum(not evaluation.is_feasible for evaluation in evaluations)
    print(end_line(plan, last))
    if last.cache_hits:
        print(
            f"cache hits: the accuracy of {last.cache_hits} of {len(evaluations)} subnets was in the database"
        )
    for line in summary(reports):
        print(line)
    print()
    if front:
        print(
            f"Pareto front: {len(front)} of {len(evaluations)} subnets, "
            f"hypervolume {study.hypervolume(front):.4f}"
        )
        print_wide(front_table(study, front[:SHOWN_ROWS], study.contributions(front)[:SHOWN_ROWS]))
    if infeasible:
        print(f"{infeasible} of {len(evaluations)} subnets break {' or '.join(study.constraints)}")
    if not front:
        print("no subnet holds all constraints: relax one of them, or go on with more generations")
    if len(front) > SHOWN_ROWS:
        print(f"... {len(front) - SHOWN_ROWS} more: {show_command(plan)}")
    print()
    print("next:")
    if last.stopped_by != EXHAUSTED:
        print(f"  search on       {run_command_line(plan, raised=last.stopped_by)}")
    if plan.search.sampler == SEARCH_DEFAULTS["sampler"] and "acc" in plan.names:
        print(f"  in fewer steps  {run_command_line(predicting(plan))}")
    print(f"  see it again    {show_command(plan)}", flush=True)
    if front and plan.space_name is not None:
        network = network_genes(plan.space, front[0].genotype)
        command = profile_command(plan.space_name, network, chip_options(plan, front[0]))
        print(f"  look at id {front[0].index:<4} {command}", flush=True)


def end_line(plan: Plan, last: Progress) -> str:
    """Which rule stopped the search, as a user gave it."""
    if last.stopped_by == EXHAUSTED:
        what = "networks" if plan.chips.options is None else "pairs of network and chip"
        return (
            f"stopped: all {plan.space.cardinality} {what} of space {plan.space.name!r} are evaluated, "
            f"nothing is left to search"
        )
    assert last.stopped_by is not None, "a search says what stopped it"
    limit = plan.search.rules.given()[last.stopped_by]
    return f"stopped by --{last.stopped_by} {limit:g}"


def print_interrupted(plan: Plan) -> None:
    """What is kept after Ctrl-C, and how to go on."""
    kept = 0
    if plan.options.db.exists():
        with open_store(plan.options.db) as store:
            kept = store.count(plan.study)
    print(f"\nstopped: {kept} evaluations are kept in {plan.options.db}; to go on:")
    print(f"  {run_command_line(plan)}", flush=True)


def predicting(plan: Plan) -> Plan:
    """`plan` as another study, with a surrogate for what is slow to measure."""
    options = Namespace(**vars(plan.options) | {"sampler": PREDICTING})
    return replace(plan, options=options, study=f"{plan.study}-{PREDICTING}")


def run_command_line(plan: Plan, *, raised: str | None = None) -> str:
    """The command that runs the study of `plan`; options at their default are left out.

    Args:
        plan: A checked command line.
        raised: The stop rule to be twice as large, so that the study goes on.
    """
    limits = plan.search.rules.given()
    if raised in limits and raised != "minutes":  # Minutes count anew in each run.
        limits[raised] *= 2
    return study_command(plan.options, plan.study, limits)


def show_command(plan: Plan) -> str:
    """The command that shows the study of `plan`."""
    return command_text("studies.show", ["--db", str(plan.options.db), "--study", plan.study])


def chip_options(plan: Plan, evaluation: Evaluation) -> dict[str, object]:
    """The chip of one subnet as options, by name."""
    chip = chip_of(plan.space, evaluation.genotype).over(plan.chips.given)
    own = {name: getattr(plan.options, name) for name in ("hardware", *CHIP_OPTIONS)}
    return own | {"macros": chip.macros, "units": chip.units}
