"""Search a space for the networks with the best trade-offs between the objectives.

    python -m studies.run --objectives acc,lat,energy

A study lives in one SQLite file. Run the same command again to resume it, after Ctrl-C, a crash or a power
cut; run it with larger limits to continue the search.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from functools import partial

from rich.console import Console

from h4h_start import raise_stopped
from objectives.workers.versions import WorkerError
from search_space.command.command_line import run_command
from search_space.command.stop_signals import StopRequest, stopping
from studies.launch.plan import named
from studies.launch.result_text import print_interrupted, print_result
from studies.launch.run_command_line import parse_options
from studies.launch.run_display import RunDisplay, check_logs
from studies.launch.run_study import run_study
from studies.search.search_loop import Progress


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the study that the command line names, and shows its progress and its front.

    Raises:
        H4HError: Something in the command line, or in a file it names, is wrong.
        KeyboardInterrupt: Ctrl-C, SIGTERM or SIGHUP; how to resume has been printed.
    """
    options = parse_options(arguments)
    check_logs(options.logs)
    settings, database, logs = named(options.settings), options.database, options.logs
    display = RunDisplay(Console(highlight=False, markup=False, emoji=False), settings, logs)
    request = StopRequest()

    def show(progress: Progress) -> None:
        display.show(progress)
        request.begin()
        if progress.stopped_by is None:  # At its end a search is complete.
            request.check()

    try:
        with stopping(request), display:
            study = run_study(
                settings,
                database=database,
                on_progress=show,
                on_notice=partial(print, flush=True),
                accept_versions=options.accept_versions,
            )
    except (KeyboardInterrupt, WorkerError) as error:
        if display.has_begun or isinstance(error, KeyboardInterrupt):
            print_interrupted(settings, database, logs)
        raise
    print_result(settings, database, study.study, display.last, logs)


if __name__ == "__main__":
    # Shell scripts make background processes ignore SIGINT, which should stop a study.
    signal.signal(signal.SIGINT, raise_stopped)
    run_command(main)
