"""Searches a space for the networks that trade the objectives best against each other.

    python -m studies.run --objectives acc,lat,energy

A study lives in one SQLite file. The same command again goes on where it stopped, after Ctrl-C, a crash
or a power cut; with larger limits it goes on from where it had ended.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import ExitStack, closing

from rich.console import Console

from objectives.hardware import CostModel
from objectives.hardware.chip import Chip
from search_space.command.command_line import run_command
from search_space.genotype import Genotype
from search_space.space import Space
from studies.design_space.exact_costs import ExactQuantities
from studies.design_space.joint_space import networks_of
from studies.launch.assembly import Objectives, make_objectives
from studies.launch.live_display import Display, create_display
from studies.launch.plan import Plan, planned
from studies.launch.plan_study import make_fingerprint, make_study
from studies.launch.progress_log import ProgressLog
from studies.launch.run_text import print_header, print_interrupted, print_result
from studies.launch.search_options import PREDICTING
from studies.samplers.registry import create_sampler
from studies.samplers.sampler import Sampler, SamplerContext
from studies.search.loop import Progress, search
from studies.search.racing import Race
from studies.storage.store import Store, create_store
from studies.storage.study_lock import study_lock
from studies.study.evaluation import Evaluator
from studies.study.fingerprint import check_same
from studies.study.study import Study


def run(plan: Plan, objectives: Objectives, console: Console) -> None:
    """Runs the study of `plan` and prints its progress and its front.

    Raises:
        H4HError: The study was made with other settings, or cannot go on.
    """
    race = Race(plan.networks, objectives.goals) if plan.options.racing else None
    if plan.stored is None:
        study = make_study(plan, objectives)
    else:
        study = plan.stored[0]
        check_same(study.name, study.fingerprint, make_fingerprint(plan, objectives))
        print(f"going on from {plan.stored[1]} evaluations", flush=True)
    sampler = make_sampler(plan, study)
    population, rules = plan.search.population, plan.search.rules
    with create_store(plan.options.db) as store:
        known = known_values(store, plan.space, objectives)
        evaluator = Evaluator(
            plan.space, objectives.goals, plan.constraints, limited=objectives.limited, known=known, race=race
        )
        if plan.stored is None:
            store.add(study)
        last: Progress | None = None
        with ExitStack() as shown:
            displays: list[Display] = [create_display(console, rules=rules, population=population)]
            if plan.options.log_json is not None:
                displays.append(ProgressLog(plan.options.log_json, study.name))
            for display in displays:
                shown.enter_context(display)
            for last in search(
                study=study,
                sampler=sampler,
                evaluator=evaluator,
                store=store,
                population=population,
                rules=rules,
            ):
                for display in displays:
                    display.show(last)
        evaluations = store.evaluations(study.name)
        reports = store.reports(study.name)
    assert last is not None, "a search shows its end"
    if race is not None:
        stopped = sum(one.is_bound for one in evaluations)
        print(
            f"racing stopped {stopped} of {len(evaluations)} subnets early: {race.share(evaluations):.0%} of "
            f"the images scored them"
        )
    print_result(plan, study, evaluations, last, reports)


def make_sampler(plan: Plan, study: Study) -> Sampler:
    """The sampler of `plan`, at its start."""
    return create_sampler(
        plan.search.sampler,
        SamplerContext(
            space=plan.space,
            study=study,
            population=plan.search.population,
            seed=plan.search.seed,
            first=plan.search.first,
            preferences=tuple(one.point(study) for one in plan.search.preferences),
            exact=exact_quantities(plan) if plan.search.sampler == PREDICTING else None,
        ),
    )


def exact_quantities(plan: Plan) -> ExactQuantities:
    """What `plan` wants of networks, as far as that is known without measuring them.

    Raises:
        SpaceTablesError: The tables of costs cannot be kept.
    """
    options, chips = plan.options, plan.chips
    searched = (Chip(),) if chips.options is None else chips.options.chips
    costs = {
        chip: CostModel(chips.soc(chip), options.mapping, npu_model=options.npu_model) for chip in searched
    }
    wanted = {*plan.names, *(constraint.quantity for constraint in plan.constraints)}
    return ExactQuantities(plan.space, costs, wanted)


def known_values(store: Store, space: Space, objectives: Objectives) -> dict[str, dict[Genotype, float]]:
    """Values of the expensive objectives that studies of the database hold already, by name and network."""
    expensive = [one for one in (*objectives.goals, *objectives.limited) if one.is_expensive]
    digest = networks_of(space).digest
    return {one.name: store.measured(one.name, digest, one.fingerprint()) for one in expensive}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the study that the command line asks for.

    Raises:
        H4HError: Something in the command line, or in a file it names, is wrong.
        KeyboardInterrupt: Ctrl-C; what is kept has been printed.
    """
    plan = planned(arguments)
    try:
        print_header(plan)
        with study_lock(plan.options.db, plan.study), closing(make_objectives(plan)) as objectives:
            run(plan, objectives, Console(highlight=False))
    except KeyboardInterrupt:
        print_interrupted(plan)
        raise


if __name__ == "__main__":
    # A script's shell has what it starts in the background ignore SIGINT. Whoever sends that signal to a
    # study means it, and a study ends well by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    run_command(main)
