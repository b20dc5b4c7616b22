from __future__ import annotations

from pathlib import Path

import pytest

from search_space.files.cache_folder import VARIABLE, cache_folder


def test_variable_of_ours_then_the_systems_then_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/user")
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    monkeypatch.setenv(VARIABLE, "/mine")
    assert cache_folder() == Path("/mine")
    monkeypatch.delenv(VARIABLE)
    assert cache_folder() == Path("/elsewhere/h4h-nas")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_folder() == Path("/home/user/.cache/h4h-nas")
