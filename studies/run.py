"""Searches a space for the networks that trade the objectives best against each other.

    python -m studies.run --objectives acc,lat,energy

A study lives in one SQLite file. The same command again goes on where it stopped, after Ctrl-C, a crash
or a power cut; with larger limits it goes on from where it had ended.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import closing

from rich.console import Console

from search_space.command.command_line import run_command
from studies.launch.assembly import (
    make_objectives,
)
from studies.launch.plan import planned
from studies.launch.run_study import run
from studies.launch.run_text import print_header, print_interrupted
from studies.storage.study_lock import study_lock


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
