"""Start a worker of a Dask cluster that measures for `studies.run --dask`.

    python -m studies.worker tcp://10.0.0.1:8786

The same as `dask worker` with the options that this project needs: torch is imported before the worker joins.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from objectives.workers.source_digest import packages_digest
from objectives.workers.versions import WorkerError
from search_space.command.byte_count import parse_bytes
from search_space.command.command_line import Parser, run_command
from search_space.files.regular_file import file_problem
from studies.study.setting_field import SettingError

PRELOAD = "objectives.workers.preload"
MOST = 1024
"""Largest number of processes or threads."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs workers until their scheduler ends or a signal stops them.

    Raises:
        H4HError: An option is wrong.
        WorkerError: No scheduler answers.
    """
    options = _parser().parse_args(arguments)
    words = dask_words(options)
    # Imported here, since it takes a second.
    from distributed.cli.dask_worker import main as dask_worker

    limit = "without a memory limit" if options.memory is None else f"{options.memory} each"
    print(
        f"{options.workers} worker{'s' * (options.workers != 1)} with {options.threads} "
        f"thread{'s' * (options.threads != 1)}, {limit}, for {options.address}; source digest "
        f"{packages_digest()}; a study names the memory that it needs when it is too little",
        flush=True,
    )
    try:
        dask_worker(words, standalone_mode=False)
    except SystemExit as end:
        if not end.code:
            return
        raise WorkerError(
            f"no Dask scheduler answers at {options.address} within {options.wait} s; start one with `dask "
            f"scheduler`, which prints its address"
        ) from None


def dask_words(options: Namespace) -> list[str]:
    """The command line of `dask worker`.

    Raises:
        H4HError: An option is wrong.
    """
    if "://" not in options.address:
        raise SettingError(
            f"the address must be that of a scheduler, such as tcp://10.0.0.1:8786, but got "
            f"{options.address!r}"
        )
    for option in ("threads", "workers", "wait"):
        number = getattr(options, option)
        if not 1 <= number <= MOST:
            raise SettingError(f"--{option} must be from 1 to {MOST}, but got {number}")
    memory = 0 if options.memory is None else parse_bytes(options.memory, option="--memory")
    words = [options.address, "--preload", PRELOAD, "--no-dashboard"]
    words += ["--nthreads", str(options.threads), "--nworkers", str(options.workers)]
    words += ["--memory-limit", str(memory), "--death-timeout", str(options.wait)]
    if options.tls:
        for file in options.tls:
            if problem := file_problem(Path(file)):
                raise SettingError(f"--tls: {file} {problem}; it must be three files in PEM format")
        authority, certificate, key = options.tls
        words += ["--tls-ca-file", authority, "--tls-cert", certificate, "--tls-key", key]
    return words


def _parser() -> Parser:
    parser = Parser(
        prog="python -m studies.worker",
        description="Start a worker of a Dask cluster that measures for studies.run --dask.",
        epilog="example: python -m studies.worker tcp://10.0.0.1:8786 --workers 4",
    )
    add = parser.add_argument
    add("address", metavar="ADDRESS", help="address of the scheduler, as `dask scheduler` prints it")
    add("--workers", type=int, default=1, metavar="N", help="number of processes (default: 1)")
    add(
        "--threads",
        type=int,
        default=1,
        metavar="N",
        help="subnets that a process measures at a time, one core each (default: 1)",
    )
    add("--memory", metavar="SIZE", help="memory limit of a process, such as 4GB (default: none)")
    add(
        "--tls",
        nargs=3,
        metavar=("CA", "CERT", "KEY"),
        help="certificates for a scheduler at tls://...: files of the CA, of the worker's certificate and of "
        "its key",
    )
    add(
        "--wait",
        type=int,
        default=300,
        metavar="S",
        help="seconds to wait for the scheduler (default: 300)",
    )
    return parser


if __name__ == "__main__":
    run_command(main)
