"""Ranges of the numbers of a recipe and of its phases, without torch, so that commands can check them first.

The upper ends lie beyond what any training uses. A slip of the finger is refused before data are read.
"""

from __future__ import annotations

from argparse import ArgumentError, ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from search_space.errors import DocumentError


@dataclass(frozen=True)
class NumberRange:
    """Values that a number may have; NaN never lies within.

    Attributes:
        least, most: Ends of the range.
        is_open: Ends that do not belong to it: any of ``least`` and ``most``.
    """

    least: float
    most: float
    is_open: tuple[str, ...] = ()

    def check(self, name: str, value: float) -> None:
        """Refuses a value outside the range.

        Raises:
            DocumentError: It names the number, its value and the range.
        """
        # A comparison with NaN is false.
        above = self.least < value if "least" in self.is_open else self.least <= value
        below = value < self.most if "most" in self.is_open else value <= self.most
        if not (above and below):
            first = "above" if "least" in self.is_open else "at least"
            last = "below" if "most" in self.is_open else "at most"
            raise DocumentError(
                f"{name} must be {first} {self.least} and {last} {self.most}, but got {value}"
            )


_SHARE = NumberRange(0, 1, ("most",))

SETTING_RANGES: dict[str, NumberRange] = {
    "seed": NumberRange(0, 2**63 - 1),
    "batch": NumberRange(2, 10**6),
    "accumulate": NumberRange(1, 10**6),
    "momentum": _SHARE,
    "weight_decay": NumberRange(0, 1000),
    "clip": NumberRange(0, 10**6),
    "warm_up_epochs": NumberRange(0, 10**6),
    "label_smoothing": _SHARE,
    "drop_path": _SHARE,
    "ema": _SHARE,
    "crop_padding": NumberRange(0, 1000),
    "crop_scale": NumberRange(0, 1, ("least",)),
    "rand_augment": NumberRange(0, 100),
    "magnitude": NumberRange(0, 30),
    "mixup": NumberRange(0, 1000),
    "cutmix": NumberRange(0, 1000),
    "flip": NumberRange(0, 1),
}
"""Numbers that hold for a whole recipe."""

PHASE_RANGES: dict[str, NumberRange] = {
    "epochs": NumberRange(1, 10**6),
    "rate": NumberRange(0, 1000, ("least",)),
    "random_subnets": NumberRange(0, 1000),
    "largest_every": NumberRange(1, 10**6),
    "low_lr_factor": NumberRange(0, 1, ("least",)),
    "vit_lr_factor": NumberRange(0, 1000, ("least",)),
}
"""Numbers of a phase."""


def refuse_wrong_numbers(words: Sequence[str], **others: NumberRange) -> None:
    """Refuses a number out of its range among the `words` of a command line, before data are read.

    Args:
        words: The command line. What else is wrong with it is left to the command's own parser.
        others: Ranges that differ from those of a recipe.

    Raises:
        DocumentError: A number is out of its range; the message names the option.
    """
    ranges = SETTING_RANGES | PHASE_RANGES | others
    parser = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    options = {name: f"--{name.replace('_', '-')}" for name in ranges}
    for option in options.values():
        parser.add_argument(option)
    with suppress(ArgumentError):
        known, rest = parser.parse_known_args(list(words))
        if {"-h", "--help"} & set(rest):
            return
        for name, limits in ranges.items():
            for number in _numbers(getattr(known, name) or ""):
                limits.check(options[name], number)


def _numbers(text: str) -> Iterator[float]:
    """The numbers among values separated by commas."""
    for part in text.split(","):
        with suppress(ValueError):
            number = float(part)
            yield int(number) if number.is_integer() and abs(number) < _EXACT else number


_EXACT = 2**53
"""Below it, a float holds every integer."""
