"""Commands that run a study, search on, and show it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace

from studies.design_space.joint_space import chip_of
from studies.launch.options import DEFAULTS
from studies.launch.plan import Plan
from studies.launch.search_options import PREDICTING, STOP_DEFAULTS
from studies.presentation.next_commands import CHIP_OPTIONS, command_text
from studies.study.evaluation import Evaluation


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


def study_command(options: Namespace, study: str, limits: Mapping[str, float]) -> str:
    """The command that runs the study called `study` up to `limits`, stop rules by name."""
    words = ["--objectives", options.objectives, "--study", study, "--db", str(options.db)]
    for name, default in DEFAULTS.items():
        value = getattr(options, name)
        if name != "objectives" and name not in STOP_DEFAULTS and value != default:
            for one in value if isinstance(value, list) else [value]:
                words += [f"--{name.replace('_', '-')}", *([] if one is True else [str(one)])]
    for name, limit in limits.items():
        words += [f"--{name}", f"{limit:.17g}"]
    for constraint in options.constraint:
        words += ["--constraint", constraint]
    if options.log_json is not None:
        words += ["--log-json", str(options.log_json)]
    return command_text("studies.run", words)


def show_command(plan: Plan) -> str:
    """The command that shows the study of `plan`."""
    return command_text("studies.show", ["--db", str(plan.options.db), "--study", plan.study])


def chip_options(plan: Plan, evaluation: Evaluation) -> dict[str, object]:
    """The chip of one subnet as options, by name."""
    chip = chip_of(plan.space, evaluation.genotype).over(plan.chips.given)
    own = {name: getattr(plan.options, name) for name in ("hardware", *CHIP_OPTIONS)}
    return own | {"macros": chip.macros, "units": chip.units}
