"""Run a study, or resume it: the search of a plan from its start or from what the database holds.

A study is resumed by running it again. The search replays the stored evaluations (see
`studies.search.search_loop`) and continues after them, so one function does both.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

from objectives.hardware.measured_share import unused_rows_notes
from objectives.hardware.parts.cim import InArray
from studies.launch.chip_limits import limit_text
from studies.launch.forecast import forecast
from studies.launch.late_costs import late_costs
from studies.launch.new_study import make_fingerprint, make_software, make_study
from studies.launch.plan import Plan
from studies.launch.plan_objects import (
    Notify,
    Objectives,
    known_values,
    make_objectives,
    make_sampler,
)
from studies.search.evaluator import Evaluator
from studies.search.racing import Race
from studies.search.search_loop import Progress, search
from studies.storage.store import create_store
from studies.storage.study_lock import study_lock
from studies.study.accuracy_errors import ACCURACY
from studies.study.fingerprint import check_same, check_software
from studies.study.settings import PREFERRING
from studies.study.software import fewest_changes

OnProgress = Callable[[Progress], object]
"""Receives every progress of a search. The first one, without evaluations, marks the start."""
START = Progress(generation=0, evaluations=0, measured=0, front=(), hypervolume=0.0, is_generation_done=False)


def run_or_resume(
    plan: Plan, on_progress: OnProgress, notify: Notify, *, accept_versions: bool = False
) -> None:
    """Runs or resumes the study of `plan`, while no other process runs it.

    Args:
        plan: Checked settings.
        accept_versions: Whether it may go on with other versions of libraries, or another kind of processor,
            than its rows were made with. Every stored row is then reproduced first.
        on_progress: See `OnProgress`. An exception of it ends the run; the study can be resumed.
        notify: Receives lines for the user: what is about to run, and warnings.

    Raises:
        H4HError: The study was made with other settings, is being run, or cannot be resumed.
    """
    for line in introduction(plan):
        notify(line)
    with (
        study_lock(plan.database, plan.study),
        closing(make_objectives(plan, notify)) as objectives,
    ):
        search_with(plan, objectives, on_progress, notify, accept_versions=accept_versions)


def search_with(
    plan: Plan,
    objectives: Objectives,
    on_progress: OnProgress,
    notify: Notify,
    *,
    accept_versions: bool = False,
) -> None:
    """Searches `plan` with objectives that are ready to measure; for the arguments see `run_or_resume`."""
    race = Race(plan.space, objectives.goals) if plan.settings.racing else None
    software = make_software(plan, objectives)
    accepted: list[str] = []
    if plan.stored is None:
        for line in forecast(plan, objectives):
            notify(line)
        study = make_study(plan, objectives)
    else:
        study, count = plan.stored.study, plan.stored.count
        check_same(study.name, study.fingerprint, make_fingerprint(plan, objectives))
        accepted = fewest_changes(plan.stored.software, software)
        if accepted and not accept_versions:
            check_software(study.name, plan.stored.software, software)
        notify(f"resuming after {count} evaluations")
        if accepted:
            notify(
                f"accepted: {'; '.join(accepted)}. All stored rows are compared first, except for measured "
                f"values; new rows name their software"
            )
    sampler = make_sampler(plan, study)
    with create_store(plan.database) as store:
        known = known_values(plan, store, objectives)
        if plan.stored is None:
            for name, values in known.items():
                if values:
                    notify(f"{name} of {len(values)} networks is known from other studies and reused")
        evaluator = Evaluator(
            plan.space,
            objectives.goals,
            plan.constraints,
            limited=objectives.limited,
            known=known,
            late=late_costs(plan),
            race=race,
        )
        if plan.stored is None:
            store.add(study, software)
        store.use(study.name, software)
        on_progress(START)
        for progress in search(
            study=study,
            sampler=sampler,
            evaluator=evaluator,
            store=store,
            population=plan.search.population,
            rules=plan.search.rules,
            compares_all=bool(accepted),
        ):
            on_progress(replace(progress, cluster=objectives.cluster_state()))
        store.check_in_place()
        if race is not None:
            evaluations = store.evaluations(study.name)
            stopped = sum(evaluation.is_bound for evaluation in evaluations)
            notify(
                f"racing stopped {stopped} of {len(evaluations)} subnets early: "
                f"{race.share(evaluations):.0%} of the images scored them"
            )


def introduction(plan: Plan) -> list[str]:
    """Lines that say what is about to run, and which limits the chip's memories add."""
    mappings = plan.chips.choices.mapping
    chips = replace(plan.chips.choices, mapping=())
    over = f" on {len(chips.chips)} chips ({chips})" if chips.genes else ""
    over += f", each mapped for {' and for '.join(mappings)}" if mappings else ""
    lines = [
        f"study {plan.study!r} in {plan.database}: {', '.join(plan.names)} over space {plan.space.name}{over}"
        f", {plan.search.sampler}, {plan.search.population} subnets per generation, until {plan.search.rules}"
    ]
    if plan.search.sampler == PREFERRING and not plan.search.preferences:
        lines.append(
            f"note: {PREFERRING} needs --prefer, such as acc=85%,lat=0.5ms, to search near these values; "
            f"without it every objective is preferred at its best"
        )
    soc = plan.chips.greatest.soc
    if ACCURACY in (*plan.names, *plan.limited) and isinstance(soc.cim, InArray) and soc.macros:
        lines.append(
            f"note: {ACCURACY} counts no noise of in-array macros; if those of {soc.name} are analog, "
            f"networks may rank otherwise on the chip"
        )
    lines += unused_rows_notes(soc)
    if plan.search.window is not None:
        lines.append(f"hypervolume within {plan.search.window}, costs on a {plan.search.scale} scale")
    if plan.table is not None:
        lines.append(plan.table.summary())
    lines += plan.shares
    lines += [limit_text(limit, plan.chips.file, plan.networks) for limit in plan.added]
    if plan.search.warm is not None:
        warm = plan.search.warm
        lines.append(f"warm start: {len(warm.subnets)} subnets of study {warm.studies!r}")
    return lines
