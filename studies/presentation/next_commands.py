"""Next commands: what to type after a run or a pick, quoted for a shell.

Reports show them as they are; terminals show them by `search_space.command.printed_command.local`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from objectives.hardware import MAPPINGS
from objectives.hardware.npu_model import NPU_MODELS
from search_space.command.printed_command import command_text
from search_space.genotype import Genotype, to_text
from search_space.space import is_built_in
from studies.design_space.chip_choices import MAPPING
from studies.study.evaluation import Evaluation
from studies.study.settings import DEFAULT_SPACE, StudySettings
from studies.study.study import Study
from supernet.checkpoints import built_in_checkpoint
from supernet.checkpoints.header import stored_space

CHIP_OPTIONS = ("macros", "units", "npu_model", "spill", "mapping")
"""Settings of the chip besides its name, which a study and a profile share."""
FINE_TUNE = "fine-tune"
"""Title of the command that trains one network of a supernet."""
NO_LOGS: Mapping[str, Path] = MappingProxyType({})
_FILES = ("space", "hardware", "accuracy_table", "checkpoint", "data")
"""Settings that name files or folders, or may."""


def absolute_logs(logs: Mapping[str, Path]) -> dict[str, Path]:
    """The logs with absolute paths, by option, so that a printed command runs from any folder."""
    return {option: path.absolute() for option, path in logs.items()}


def absolute_files(settings: Mapping[str, object]) -> dict[str, Any]:
    """The settings that name existing files or folders, by name, with absolute paths.

    A command that is printed with them runs from any folder. Reports keep the paths as given, since they are
    sent to others.
    """
    given = {name: settings.get(name) for name in _FILES}
    return {
        name: str(Path(str(value)).absolute())
        for name, value in given.items()
        if value is not None and Path(str(value)).exists() and not _is_name(name, str(value))
    }


def _is_name(setting: str, value: str) -> bool:
    """Whether `value` is the name of a built-in space or chip, whatever lies in the current folder."""
    return setting in ("space", "hardware") and not value.endswith((".yaml", ".yml"))


def profile_command(space: str, network: Genotype, hardware: Mapping[str, object]) -> str:
    """The command that profiles one subnet op by op.

    Args:
        space: Value of --space.
        network: Genotype of the subnet, without genes of a chip.
        hardware: Options of the chip by name; None and defaults are left out.
    """
    words = ["--space", space, "--subnet", to_text(network)]
    for name, value in hardware.items():
        if value is True:
            words.append(f"--{name.replace('_', '-')}")
        elif value is not None and value is not False and value not in (NPU_MODELS[0], MAPPINGS[0]):
            words += [f"--{name.replace('_', '-')}", str(value)]
    return command_text("objectives.profile", words)


def study_command(settings: StudySettings, database: Path, logs: Mapping[str, Path] = NO_LOGS) -> str:
    """The command that runs or resumes a study; settings at their default are left out.

    Args:
        settings: Settings of the study, its name included. The default stop rule is written out.
        database: File of the study.
        logs: File or folder of each log, by option.
    """
    rest = replace(settings, objectives=StudySettings.objectives, study=None, **settings.stop_rules())
    words = ["--objectives", ",".join(settings.objectives), "--study", settings.study or ""]
    words += ["--db", str(database), *rest.words()]
    for option, path in logs.items():
        words += [option, str(path)]
    return command_text("studies.run", words)


def space_name(study: Study) -> str | None:
    """Value of --space for the space of `study`; None if the space came with a checkpoint alone."""
    given = study.settings.get("space")
    if given is not None:
        return str(given)
    return study.space if is_built_in(study.search_space.networks) else None


def mapping_of(study: Study) -> str | None:
    """The mapping of all designs of `study`; None if it is searched or if nothing is mapped."""
    return None if MAPPING in study.hardware_choices else study.fingerprint.get("mapping")


def _has_weights(study: Study) -> bool:
    """Whether there is a supernet of the study's own space, from which its networks can be taken."""
    given = study.settings.get("checkpoint")
    if given is not None and not Path(str(given)).exists():
        return True  # A study from another folder or machine; its space was checked when it was run.
    path = built_in_checkpoint(DEFAULT_SPACE) if given is None else Path(str(given))
    return stored_space(path).digest == study.search_space.networks.digest


def next_commands(study: Study, evaluation: Evaluation) -> dict[str, str]:
    """Commands to type next for a subnet, by title; no profile if the space has no known file.

    Fine-tuning and export need a supernet of the study's space. There are no commands for a network of which
    only the genes are known.
    """
    if not study.knows_networks:
        return {}
    settings, network = study.settings, study.network(evaluation.genotype)
    space = space_name(study)
    weights = ["--checkpoint", str(settings["checkpoint"])] if settings.get("checkpoint") else []
    data = ["--data", str(settings["data"])] if settings.get("data") else []
    out = f"runs/{study.name}-{evaluation.index}"
    tune = ["--subnet", to_text(network), *weights, *data]
    commands = {}
    if space is not None:
        hardware = {name: settings.get(name) for name in ("hardware", *CHIP_OPTIONS)}
        hardware |= {"mapping": mapping_of(study)} | study.chosen_hardware(evaluation.genotype)
        commands["profile"] = profile_command(space, network, hardware)
    if not _has_weights(study):
        return commands
    return commands | {
        FINE_TUNE: command_text("supernet.finetune", ["--epochs", "20", *tune, "--out", out]),
        "export": command_text("supernet.finetune", ["--epochs", "0", *tune, "--out", f"{out}-as-is"]),
    }
