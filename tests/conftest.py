"""What all tests share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

from search_space.files.cache_folder import VARIABLE
from tests.command import Command

if "PYTEST_XDIST_WORKER" in os.environ:
    # Tests that run side by side, and the processes that they start, have a core each.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# Processes that tests start read compiled modules. Compiling those of torch again takes longer than most
# commands; images of containers often forbid to keep them.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest tests first; at the end one process would run them while the others wait."""
    items.sort(key=lambda item: item.path.name != "test_cpu_path.py")
