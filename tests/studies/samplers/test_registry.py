from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from search_space.errors import UnknownNameError
from studies.samplers.registry import check_sampler, known_samplers, sampler_versions


def test_names_of_the_command_line() -> None:
    assert known_samplers()[0] == "nsga2"
    for name in known_samplers():
        check_sampler(name)


def test_unknown_sampler_is_an_error_that_names_the_known() -> None:
    with pytest.raises(UnknownNameError, match="nsga2"):
        check_sampler("nsga3")


def test_versions_are_those_of_what_decides() -> None:
    assert sampler_versions("random") == {"version of numpy": version("numpy")}
    assert set(sampler_versions("sms")) == {f"version of {name}" for name in ("numpy", "pymoo", "moocore")}
    assert sampler_versions("optuna-tpe")["version of optuna"] == version("optuna")


def test_names_are_known_without_the_libraries() -> None:
    code = (
        "import sys; import studies.samplers.registry; print({'pymoo', 'optuna', 'torch'} & set(sys.modules))"
    )
    root = Path(__file__).parents[3]
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root
    )
    assert result.stdout.strip() == "set()"
