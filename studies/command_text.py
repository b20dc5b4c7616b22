"""Commands as a user types them, for messages that say what to do next."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence


def command_text(module: str, words: Sequence[str]) -> str:
    """``python -m module words``, quoted for a shell."""
    # `uv run` names itself in the environment; what it runs is not found without it.
    python = "uv run python" if "UV" in os.environ else "python"
    return f"{python} -m {module} {shlex.join(words)}"
