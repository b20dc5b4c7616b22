from __future__ import annotations

import math
import warnings
from argparse import Namespace

import pytest

from search_space.command.command_line import TooSmallError, check_least, run_command
from search_space.errors import H4HWarning


def test_bounds_themselves_and_what_is_not_given_pass() -> None:
    check_least(Namespace(val_images=None, seed=0, workers=1), val_images=1, seed=0, workers=1)


@pytest.mark.parametrize("value", [0, -3, math.nan])
def test_the_first_one_below_is_named(value: float) -> None:
    options = Namespace(seed=0, val_images=value, workers=-1)
    with pytest.raises(TooSmallError, match=f"^--val-images must be at least 1, but got {value}$"):
        check_least(options, seed=0, val_images=1, workers=1)


def test_warnings_of_the_project_are_one_line_and_stop_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        warnings.warn("chip.yaml:\n  an old key", H4HWarning, stacklevel=1)
        print("done")

    shown = warnings.showwarning
    with pytest.raises(SystemExit) as left:
        run_command(command)
    printed = capsys.readouterr()
    assert (left.value.code, printed.out, printed.err) == (0, "done\n", "warning: chip.yaml: an old key\n")
    assert warnings.showwarning is shown
