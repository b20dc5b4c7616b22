"""Commands as a user types them, for messages that say what to do next."""

from __future__ import annotations

import os
import shlex
from argparse import Namespace
from collections.abc import Mapping, Sequence

from objectives.hardware import MAPPINGS
from objectives.hardware.npu_model import NPU_MODELS
from search_space.genotype import Genotype, to_text
from search_space.space import is_built_in
from studies.design_space.joint_space import networks_of
from studies.study.evaluation import Evaluation
from studies.study.settings import DEFAULTS, STOP_DEFAULTS
from studies.study.study import Study

CHIP_OPTIONS = ("macros", "units", "npu_model", "mapping")
"""What a study and a profile may say of a chip beside its name."""


def command_text(module: str, words: Sequence[str]) -> str:
    """``python -m module words``, quoted for a shell."""
    # `uv run` names itself in the environment; what it runs is not found without it.
    python = "uv run python" if "UV" in os.environ else "python"
    return f"{python} -m {module} {shlex.join(words)}"


def profile_command(space: str, network: Genotype, hardware: Mapping[str, object]) -> str:
    """The command that shows where the time and energy of one subnet of `space` go.

    Args:
        space: What --space calls it.
        network: The subnet, without genes of a chip.
        hardware: Its chip: options by name; those that are None or the default are left out.
    """
    words = ["--space", space, "--subnet", to_text(network)]
    for name, value in hardware.items():
        if value not in (None, NPU_MODELS[0], MAPPINGS[0]):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return command_text("objectives.profile", words)


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


def space_name(study: Study) -> str | None:
    """What --space calls the space of `study`; None for a user's own that came with a checkpoint alone."""
    given = study.settings.get("space")
    if given is not None:
        return str(given)
    return study.space if is_built_in(networks_of(study.search_space)) else None


def next_commands(study: Study, evaluation: Evaluation) -> dict[str, str]:
    """What to do with the subnet, as commands; no profile of a space that has no file known to the study."""
    settings, network = study.settings, study.network(evaluation.genotype)
    space = space_name(study)
    weights = ["--checkpoint", str(settings["checkpoint"])] if settings.get("checkpoint") else []
    data = ["--data", str(settings["data"])] if settings.get("data") else []
    out = f"runs/{study.name}-{evaluation.index}"
    tune = ["--subnet", to_text(network), *weights, *data]
    commands = {}
    if space is not None:
        hardware = {name: settings.get(name) for name in ("hardware", *CHIP_OPTIONS)}
        hardware |= study.chosen_hardware(evaluation.genotype)
        commands["profile"] = profile_command(space, network, hardware)
    return commands | {
        "fine-tune": command_text("supernet.finetune", ["--epochs", "20", *tune, "--out", out]),
        "export": command_text("supernet.finetune", ["--epochs", "0", *tune, "--out", f"{out}-as-is"]),
    }
