"""Commands that messages print: quoted for a shell, and runnable from any folder."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path


def command_text(module: str, words: Sequence[str]) -> str:
    """``python -m module words``, quoted for a shell, for pages that go to other machines."""
    return f"python -m {module} {shlex.join(words)}"


def local_command(module: str, words: Sequence[str], *, own_code: bool = False) -> str:
    """The command as a shell of this user runs it from any folder.

    Args:
        module: Module to run.
        words: Its arguments, with absolute paths.
        own_code: Whether the command imports code from the current folder.
    """
    return local(command_text(module, words), own_code=own_code)


def local(command: str, *, own_code: bool = False) -> str:
    """A text of `command_text` with the interpreter of this process, and the folder of own code if any."""
    start = ""
    if own_code:
        given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        folders = [str(Path.cwd()), *(str(Path(folder).absolute()) for folder in given if folder)]
        start = f"PYTHONPATH={shlex.quote(os.pathsep.join(dict.fromkeys(folders)))} "
    return f"{start}{_interpreter()}{command.removeprefix('python')}"


def _interpreter() -> str:
    """``python`` where a shell finds this interpreter by that name, else its path."""
    # `uv run` adds its environment to the path of this process, but not to that of the user's shell.
    found = None if "UV" in os.environ else shutil.which("python")
    if not sys.executable or (found and Path(found).parent == Path(sys.executable).parent):
        return "python"
    return shlex.quote(sys.executable)
