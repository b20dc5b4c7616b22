"""Run the study of a plan."""

from __future__ import annotations

from contextlib import ExitStack

from rich.console import Console

from studies.launch.assembly import (
    Objectives,
    known_values,
    make_fingerprint,
    make_sampler,
    make_study,
)
from studies.launch.live_display import Display, create_display
from studies.launch.plan import Plan
from studies.launch.progress_log import ProgressLog
from studies.launch.run_text import print_result
from studies.search.evaluator import Evaluator
from studies.search.loop import Progress, search
from studies.search.racing import Race
from studies.storage.store import create_store
from studies.study.fingerprint import check_same


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
