"""What all tests share."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from search_space.files.cache_folder import VARIABLE
from tests.command import Command

if "PYTEST_XDIST_WORKER" in os.environ:
    # Tests that run side by side, and the processes that they start, have a core each.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# Processes that tests start read compiled modules. Compiling those of torch again takes longer than most
# commands; images of containers often forbid to keep them.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# Runs of tests in the background ignore these signals, and so would the commands that tests start and signal.
for _number in (signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)
# No test depends on time: these run beside whatever else the machine does.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tables and decoded images are shared by all processes of a test run, and not the user's own."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(folder / "cache"))
        yield


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


LONGEST = ("test_cpu_path.py", "test_commands.py", "test_dask_cluster.py", "test_accuracy_objective.py")
"""Files that take longest; at the end, one process would run them while the others wait."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.hookimpl(optionalhook=True)  # A run without the plug-in has no such hook.
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """A file's tests run in one process, which makes the files and studies that they share only once."""
    config.option.loadscopereorder = False  # The order above counts, not the number of tests in a file.
    return LoadFileScheduling(config, log)
