"""Rules of the comparison with the paper: chips, searches, budget and primary figures.

They are those of docs/results-protocol.md, which is fixed. Nothing here may follow from a saving.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from search_space.errors import H4HError, UnknownNameError

Cost = Literal["lat", "energy"]
Measure = Literal["saved_mean", "saved_most", "gained_mean", "gained_most", "blocks_share", "blocks_median"]

COSTS: tuple[Cost, ...] = ("lat", "energy")
COST_NAMES: dict[Cost, str] = {"lat": "latency", "energy": "energy"}
UNITS: dict[Cost, str] = {"lat": "ms", "energy": "mJ"}
MAPPING: dict[Cost, str] = {"lat": "latency", "energy": "energy"}
"""Cost that the mapping minimises, by the cost that is searched."""

BASE = "u55-256"
DEFAULT_CHIP = "u55-256-cim8"
FOUR_UNITS = "u55-256-cim8x4"
PAIRS = {
    "u55-256-cim1": BASE,
    "u55-256-cim2": BASE,
    "u55-256-cim4": BASE,
    DEFAULT_CHIP: BASE,
    FOUR_UNITS: BASE,
    "u55-256-cim8-no-heads": BASE,
    "u55-256-flash-cim8": "u55-256-flash",
}
"""Each chip with macros, and the chip without them that it is compared with."""

SEEDS = (1, 2, 3, 4, 5)
LEAST_EVALUATIONS = 1000
MORE_EVALUATIONS = 500
MOST_EVALUATIONS = 4000
STILL_POINTS = 1.0
"""A primary figure has settled if it moved by less than this many points."""
LAST_SHARE = 0.25
"""Share of the evaluations, at the end, during which a figure must not move."""
PRECISION = "int8"
RESAMPLES = 2000
RANDOM_SEED = 0
"""Seed of the bootstrap."""

FEW_VIT, MANY_VIT = 2.0, 5.0
"""Range of ViT blocks per 10 conv blocks in which the paper sees almost all networks."""
ALMOST_ALL, MOST = 90.0, 50.0
"""Shares in % that stand for "almost all" and "most": the paper gives no number."""


@dataclass(frozen=True)
class PrimaryFigure:
    """One primary figure of the protocol.

    Attributes:
        title: What it is, for a table.
        chip: Chip with macros.
        cost: Cost that was searched.
        measure: Which figure of the pair of chips.
        unit: Of the figure.
        paper: The paper's value; None where it gives words only.
    """

    title: str
    chip: str
    cost: Cost
    measure: Measure
    unit: str
    paper: float | None


_LATENCY: tuple[str, Cost] = (DEFAULT_CHIP, "lat")
_ENERGY: tuple[str, Cost] = (DEFAULT_CHIP, "energy")
_FOUR_UNITS: tuple[str, Cost] = (FOUR_UNITS, "energy")
PRIMARY = (
    PrimaryFigure("latency saved at equal accuracy, mean", *_LATENCY, "saved_mean", "%", 21.99),
    PrimaryFigure("latency saved at equal accuracy, most", *_LATENCY, "saved_most", "%", 56.08),
    PrimaryFigure("energy saved at equal accuracy, mean", *_ENERGY, "saved_mean", "%", 11.80),
    PrimaryFigure("energy saved at equal accuracy, most", *_ENERGY, "saved_most", "%", 33.13),
    PrimaryFigure("energy saved with 4 units a macro, mean", *_FOUR_UNITS, "saved_mean", "%", 19.11),
    PrimaryFigure("energy saved with 4 units a macro, most", *_FOUR_UNITS, "saved_most", "%", 41.72),
    PrimaryFigure("points gained at equal latency, most", *_LATENCY, "gained_most", "points", 1.34),
    PrimaryFigure("points gained at equal energy, most", *_ENERGY, "gained_most", "points", 0.614),
    PrimaryFigure("networks with 2-5 ViT per 10 conv, latency", *_LATENCY, "blocks_share", "%", None),
    PrimaryFigure("networks with 2-5 ViT per 10 conv, energy", *_ENERGY, "blocks_share", "%", None),
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A run of the protocol, or of a part of it.

    Attributes:
        chips: Chips with macros, a part of `PAIRS`.
        seeds: Seeds of the searches.
        evaluations: Budget of every search; None for the stop rule of the protocol.
        resamples: Resamples of the bootstrap.
    """

    chips: tuple[str, ...] = tuple(PAIRS)
    seeds: tuple[int, ...] = SEEDS
    evaluations: int | None = None
    resamples: int = RESAMPLES

    def __post_init__(self) -> None:
        for chip in self.chips:
            if chip not in PAIRS:
                raise UnknownNameError("chip with macros", chip, PAIRS)
        if DEFAULT_CHIP not in self.chips:
            raise H4HError(
                f"--chips must include {DEFAULT_CHIP}, which the primary figures are of, but got "
                f"{','.join(self.chips)}"
            )
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise H4HError(f"--seeds must be different numbers, but got {','.join(map(str, self.seeds))}")

    @property
    def primary(self) -> tuple[PrimaryFigure, ...]:
        """The primary figures of the chips of this run."""
        return tuple(figure for figure in PRIMARY if figure.chip in self.chips)

    @property
    def hardware(self) -> tuple[str, ...]:
        """All chips, those that primary figures need first, each once."""
        first = [name for figure in self.primary for name in (PAIRS[figure.chip], figure.chip)]
        others = [name for chip in self.chips for name in (PAIRS[chip], chip)]
        return tuple(dict.fromkeys([*first, *others]))

    @property
    def primary_hardware(self) -> tuple[str, ...]:
        """The chips that primary figures need."""
        return tuple(dict.fromkeys(name for one in self.primary for name in (PAIRS[one.chip], one.chip)))

    def departures(self, space: str, images: int) -> list[str]:
        """What differs from the protocol, in words; empty for a run of the protocol.

        Args:
            space: Name of the search space.
            images: Number of test images.
        """
        found = []
        if space != "cifar32":
            found.append(f"space {space} instead of cifar32")
        if missing := [chip for chip in PAIRS if chip not in self.chips]:
            found.append(f"without {', '.join(missing)}")
        if self.seeds != SEEDS:
            found.append(f"{counted(len(self.seeds), 'seed')} instead of {len(SEEDS)}")
        if self.evaluations is not None:
            found.append(f"{self.evaluations} evaluations instead of the stop rule")
        if images != 10_000:
            found.append(f"{images:,} test images instead of 10,000")
        if self.resamples != RESAMPLES:
            found.append(f"{self.resamples} resamples instead of {RESAMPLES:,}")
        return found


def counted(number: int, noun: str) -> str:
    """E.g. ``1 seed``, ``5 seeds``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds such as ``1,2,3``.

    Raises:
        H4HError: A part is no whole number of at least 0.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words):
        raise H4HError(f"--seeds must be whole numbers joined by commas, such as 1,2,3, but got {text!r}")
    return tuple(map(int, words))


def parse_chips(text: str) -> tuple[str, ...]:
    """Chips such as ``u55-256-cim8,u55-256-cim8x4``, each once."""
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def budgets() -> tuple[int, ...]:
    """Numbers of evaluations at which the stop rule is asked."""
    return tuple(range(LEAST_EVALUATIONS, MOST_EVALUATIONS + 1, MORE_EVALUATIONS))


def has_settled(before: Sequence[float], after: Sequence[float]) -> bool:
    """Whether no primary figure moved by `STILL_POINTS` or more.

    Args:
        before: Primary figures, as means over the seeds, after three quarters of the evaluations.
        after: The same after all of them. A figure that is undefined (NaN) at one end only has moved.
    """
    for old, new in zip(before, after, strict=True):
        is_undefined = (old != old, new != new)
        if any(is_undefined):
            if not all(is_undefined):
                return False
        elif abs(new - old) >= STILL_POINTS:
            return False
    return True
