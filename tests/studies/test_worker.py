"""`studies.worker`: what its options say to Dask."""

from __future__ import annotations

from argparse import Namespace
from functools import partial

import pytest

from search_space.command.command_line import Parser
from studies import worker
from tests.command import Call, Command
from tests.docs.option_tables import parser_of

ADDRESS = "tcp://127.0.0.1:1"


def words(*arguments: str) -> dict[str, str]:
    """Options of `dask worker` with their values."""
    parser = parser_of("studies.worker")
    assert isinstance(parser, Parser)
    parsed: Namespace = parser.parse_args([ADDRESS, *arguments])
    address, *options = worker.dask_words(parsed)
    assert address == ADDRESS
    options.remove("--no-dashboard")
    return dict(zip(options[::2], options[1::2], strict=True))


def test_options_of_dask() -> None:
    assert words() == {
        "--preload": "objectives.workers.preload",
        "--nthreads": "1",
        "--nworkers": "1",
        "--memory-limit": "0",
        "--death-timeout": words()["--death-timeout"],
    }
    given = words("--threads", "2", "--workers", "3", "--memory", "2GB", "--wait", "7")
    assert [given[name] for name in ("--nthreads", "--nworkers", "--death-timeout")] == ["2", "3", "7"]
    assert float(given["--memory-limit"]) == 2e9


@pytest.fixture
def call(command: Command) -> Call:
    return partial(command, worker.main)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("127.0.0.1:1",), "must be that of a scheduler, such as tcp://10.0.0.1:8786"),
        ((ADDRESS, "--threads", "0"), "--threads must be from 1 to 1024, but got 0"),
        ((ADDRESS, "--workers", "1025"), "--workers must be from 1 to 1024, but got 1025"),
        ((ADDRESS, "--wait", "-1"), "--wait must be from 1 to 1024, but got -1"),
        ((ADDRESS, "--memory", "2X"), "--memory"),
        ((ADDRESS, "--tls", "a", "b", "c"), "--tls: a does not exist; it must be three files in PEM format"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(arguments: tuple[str, ...], message: str, call: Call) -> None:
    ended = call(*arguments)
    assert ended.code == 2
    assert message in ended.err
    assert ended.err.count("\n") == 1
