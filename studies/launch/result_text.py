"""Result of a search as `studies.run` prints it: end, front and next commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from objectives.hardware.chip import Chip
from search_space.command.printed_command import command_text, local
from search_space.command.wide_table import print_wide
from search_space.files.own_code import is_reference
from studies.analysis.equal_members import ties_line
from studies.analysis.outside_bounds import outside_bounds
from studies.analysis.why_not import why_not, why_not_lines
from studies.launch.sampler_choice import PLAIN
from studies.presentation.next_commands import (
    CHIP_OPTIONS,
    NO_LOGS,
    absolute_files,
    absolute_logs,
    mapping_of,
    profile_command,
    space_name,
    study_command,
)
from studies.presentation.text_table import front_table, scope_lines
from studies.search.search_loop import EXHAUSTED, Progress
from studies.storage.named_study import absolute_source
from studies.storage.store import open_store
from studies.study.evaluation import Evaluation
from studies.study.prediction_quality import GenerationReport, summary
from studies.study.settings import PREDICTING, StudySettings
from studies.study.study import Study

SHOWN_ROWS = 20


def print_result(
    settings: StudySettings, database: Path, study: Study, last: Progress, logs: Mapping[str, Path]
) -> None:
    """Prints the reason for the end of the search, the front as a table, and next commands.

    Args:
        settings: Settings of the run, with the name of the study.
        database: File of the study.
        study: The study as stored.
        last: The last progress of its search.
        logs: File or folder of each log, by option.
    """
    settings = _absolute(settings, database)
    study = replace(study, settings={**study.settings, **absolute_files(study.settings)})
    database, logs = database.absolute(), absolute_logs(logs)
    with open_store(database) as store:
        evaluations = store.evaluations(study.name)
        reports = store.reports(study.name)
    _print_end(settings, study, evaluations, last, reports)
    front = study.front(evaluations)
    print()
    if front:
        print(
            f"Pareto front: {len(front)} of {len(evaluations)} subnets, "
            f"hypervolume {study.hypervolume(front):.4f}"
        )
        print_wide(front_table(study, front[:SHOWN_ROWS], study.contributions(front)[:SHOWN_ROWS]))
        for line in scope_lines(study.objectives):
            print(line)
    for line in outside_bounds(study, evaluations):
        print(f"note: {line}")
    infeasible = sum(not evaluation.is_feasible for evaluation in evaluations)
    if infeasible:
        limits = [limit.short_text for limit in study.limits]
        verb = "violates" if infeasible == 1 else "violate"
        print(f"{infeasible} of {len(evaluations)} subnets {verb} {' or '.join(limits)}")
    if (answer := why_not(study, evaluations)) is not None:
        print("\n".join(why_not_lines(answer)))
        print("relax a limit, or continue with more generations")
    elif (tied := ties_line(study, front)) is not None:
        print(f"note: {tied}")
    if len(front) > SHOWN_ROWS:
        print(f"... {len(front) - SHOWN_ROWS} more: {local(show_command(study.name, database))}")
    print()
    print("next:")
    for title, command in following(settings, database, study, front, last, logs).items():
        print(f"  {title:<37} {local(command, own_code=_has_own_code(settings))}", flush=True)


def _print_end(
    settings: StudySettings,
    study: Study,
    evaluations: Sequence[Evaluation],
    last: Progress,
    reports: Sequence[GenerationReport],
) -> None:
    print(end_line(settings, study, last))
    if last.cache_hits:
        print(
            f"cache hits: the accuracy of {last.cache_hits} of {len(evaluations)} subnets was in the database"
        )
    for line in summary(reports):
        print(line)


def end_line(settings: StudySettings, study: Study, last: Progress) -> str:
    """The rule that stopped the search, as an option."""
    if last.stopped_by == EXHAUSTED:
        networks = "designs" if study.hardware_choices else "networks"
        return (
            f"stopped: all {study.search_space.cardinality} {networks} of space {study.space!r} are evaluated"
            f", nothing is left to search"
        )
    assert last.stopped_by is not None, "the last progress of a search names the rule that stopped it"
    return f"stopped by --{last.stopped_by} {settings.stop_rules()[last.stopped_by]:g}"


def following(
    settings: StudySettings,
    database: Path,
    study: Study,
    front: Sequence[Evaluation],
    last: Progress,
    logs: Mapping[str, Path] = NO_LOGS,
) -> dict[str, str]:
    """Commands that make sense after a run, by title."""
    commands = {}
    if last.stopped_by != EXHAUSTED:
        commands["continue the search"] = study_command(raised(settings, last.stopped_by), database, logs)
    commands["show the front"] = show_command(study.name, database)
    if study.settings.get("sampler") == PLAIN and "acc" in study.objectives:
        commands["same search with fewer evaluations"] = study_command(predicting(settings), database, logs)
    space = space_name(study)
    if front and space is not None:
        network = study.network(front[0].genotype)
        chip = chip_options(settings, study, front[0])
        commands[f"profile id {front[0].index}"] = profile_command(space, network, chip)
    return commands


def print_interrupted(settings: StudySettings, database: Path, logs: Mapping[str, Path]) -> None:
    """Prints how much is stored after Ctrl-C, and how to resume."""
    count = 0
    if database.exists() and settings.study is not None:
        with open_store(database) as store:
            count = store.count(settings.study)
    print(f"\nstopped: {count} evaluations are stored in {database}; to resume:")
    command = study_command(_absolute(settings, database), database.absolute(), absolute_logs(logs))
    print(f"  {local(command, own_code=_has_own_code(settings))}", flush=True)


def _absolute(settings: StudySettings, database: Path) -> StudySettings:
    """The settings with absolute paths, so that a printed command runs from any folder."""
    sources = tuple(absolute_source(source, database) for source in settings.warm_start)
    certificates = tuple(str(Path(file).absolute()) for file in settings.dask_tls)
    files = absolute_files(vars(settings))
    return replace(settings, **files, warm_start=sources, dask_tls=certificates)


def _has_own_code(settings: StudySettings) -> bool:
    return any(map(is_reference, (*settings.objectives, settings.sampler)))


def predicting(settings: StudySettings) -> StudySettings:
    """The settings as another study, with a surrogate for the objectives that are slow to measure."""
    return replace(settings, sampler=PREDICTING, study=f"{settings.study}-{PREDICTING}")


def raised(settings: StudySettings, rule: str | None) -> StudySettings:
    """The settings with a stop rule twice as large, so that the search continues.

    Args:
        settings: Settings of the run.
        rule: The rule that stopped it. `minutes` apply to each run and are not raised.
    """
    limits = settings.stop_rules()
    if rule is None or rule == "minutes":
        return settings
    return replace(settings, **{rule: limits[rule] * 2})


def show_command(study: str, database: Path) -> str:
    """The command that shows a study."""
    return command_text("studies.show", ["--db", str(database), "--study", study])


def chip_options(settings: StudySettings, study: Study, evaluation: Evaluation) -> dict[str, object]:
    """The chip of one subnet as options, by name."""
    chip = study.chip(evaluation.genotype).over(Chip(settings.macros, settings.units, mapping_of(study)))
    own = {name: getattr(settings, name) for name in ("hardware", *CHIP_OPTIONS)}
    return own | {name: getattr(chip, name) for name in ("macros", "units", "mapping")}
