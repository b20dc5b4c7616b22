"""Commands as a user types them, for messages that say what to do next."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence

from objectives.hardware import MAPPINGS
from objectives.hardware.npu_model import NPU_MODELS
from search_space.genotype import Genotype, to_text

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
