"""Ranges of training numbers: the ends, what lies beyond them, and what is said before data are read."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from search_space.errors import DocumentError
from supernet import finetune, teacher, train
from supernet.training.number_ranges import (
    PHASE_RANGES,
    SETTING_RANGES,
    NumberRange,
    refuse_wrong_numbers,
)
from supernet.training.recipe import load_recipe
from supernet.training.recipe_options import SETTINGS
from tests.command import Command


@pytest.mark.parametrize(
    ("is_open", "within", "message"),
    [
        ((), (0, 0.5, 1), "n must be at least 0 and at most 1, but got "),
        (("least",), (1e-300, 1), "n must be above 0 and at most 1, but got "),
        (("most",), (0, 0.999), "n must be at least 0 and below 1, but got "),
    ],
)
def test_the_ends_of_a_range(is_open: tuple[str, ...], within: tuple[float, ...], message: str) -> None:
    limits = NumberRange(0, 1, is_open)
    for value in within:
        limits.check("n", value)
    ends = [{"least": 0, "most": 1}[name] for name in is_open]
    for value in (*ends, -0.001, 1.001, math.nan, math.inf, -math.inf):
        with pytest.raises(DocumentError) as refused:
            limits.check("n", value)
        assert str(refused.value) == f"{message}{value}"


def test_every_number_of_a_recipe_has_a_range() -> None:
    assert {field.name for field in SETTINGS if field.type in ("int", "float")} == set(SETTING_RANGES)
    phase = load_recipe("two_phase").phases[0]
    numbers = {name for name, value in vars(phase).items() if type(value) in (int, float)}
    assert numbers == set(PHASE_RANGES)


@pytest.mark.parametrize("name", SETTING_RANGES | PHASE_RANGES)
@pytest.mark.parametrize("value", ["1" + "0" * 18 + "0", "9" * 5_000, "1e999", "nan", "-1"])
def test_an_absurd_number_is_refused_by_its_option(name: str, value: str) -> None:
    option = f"--{name.replace('_', '-')}"
    for words in ([option, value], [f"{option}={value}"], ["--out", "o", option, f"1,{value}"]):
        with pytest.raises(DocumentError, match=f"^{option} must be .*, but got "):
            refuse_wrong_numbers(words)


@pytest.mark.parametrize(
    "words",
    [[], ["--batch"], ["--batch", "many"], ["--batch", "1", "--help"], ["--batch", "2", "--rate", ""]],
)
def test_what_else_is_wrong_is_left_to_the_command(words: list[str]) -> None:
    refuse_wrong_numbers(words)


@pytest.mark.parametrize(
    ("main", "words"),
    [
        (train.main, ("--out", "o")),
        (teacher.main, ("--out", "o")),
        (finetune.main, ("--out", "o", "--subnet", "max", "--checkpoint", "cifar32")),
    ],
)
def test_numbers_are_checked_before_data_are_read(
    main: Callable[[], None],
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: Command,
) -> None:
    monkeypatch.chdir(tmp_path)
    for option, message in (
        ("--batch=1000001", "error: --batch must be at least 2 and at most 1000000, but got 1000001\n"),
        ("--epochs=-1", "--epochs must be at least "),
        ("--epochs=1000001", " and at most 1000000, but got 1000001\n"),
        ("--clip=1e30", "error: --clip must be at least 0 and at most 1000000, but got 1e+30\n"),
    ):
        code, out, error = command(main, *words, "--data", "nowhere", option)
        assert (code, out, error.count("\n")) == (2, "", 1)
        assert message in error
    assert "--data nowhere" in command(main, *words, "--data", "nowhere").err
    assert list(tmp_path.iterdir()) == []
