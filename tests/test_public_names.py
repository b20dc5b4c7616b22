"""Public names of `h4h` and the four packages: each is documented by an example that runs."""

from __future__ import annotations

import doctest
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import h4h

ROOT = Path(__file__).parents[1]
PACKAGES = ("search_space", "supernet", "objectives", "studies")
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
COMMANDS = {path.stem for package in PACKAGES for path in (ROOT / package).glob("[a-z]*.py")}


@pytest.mark.parametrize("name", h4h.__all__)
def test_the_example_of_a_public_name_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    documentation = getattr(h4h, name).__doc__
    assert "Example:\n" in documentation
    example = doctest.DocTestParser().get_doctest(documentation, {}, name, None, 0)
    assert example.examples
    messages: list[str] = []
    result = doctest.DocTestRunner(optionflags=OPTIONS).run(example, out=messages.append)
    assert not result.failed, "".join(messages)


def test_h4h_holds_the_public_names_of_the_packages() -> None:
    renamed = {"load": "load_supernet"}
    offered = {
        renamed.get(name, name): getattr(module, name)
        for module in map(import_module, PACKAGES)
        for name in module.__all__
    }
    assert sorted(offered) == sorted(h4h.__all__)
    assert all(getattr(h4h, name) is value for name, value in offered.items())


@pytest.mark.parametrize("module", [h4h, *map(import_module, PACKAGES)], ids=lambda one: one.__name__)
def test_names_are_listed_and_no_command_has_one(module: ModuleType) -> None:
    assert set(module.__all__) <= set(dir(module))
    assert list(module.__all__) == sorted(set(module.__all__))
    assert not set(module.__all__) & COMMANDS
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = module.nonsense


@pytest.mark.parametrize("module", ["h4h", *PACKAGES])
def test_importing_a_face_loads_nothing_heavy(module: str) -> None:
    code = (
        f"import sys, {module}\n"
        "print(*{'torch', 'pymoo', 'rich', 'matplotlib', 'numpy', 'scipy', 'optuna'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.split() == []
