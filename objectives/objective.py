"""Objectives: named quantities with a unit and a direction, measured for many subnets at once.

An objective declares everything that the rest of the project needs to know (`Declaration`). All lists of
objectives follow from these declarations: limits and their units, dependence on the chip, bounds of the
hypervolume.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from objectives.hardware.chip import Chip
from search_space.arrays import Booleans, Floats
from search_space.errors import H4HError
from search_space.subnet import Subnet

Direction = Literal["max", "min"]
Dependency = Literal["network", "chip", "weights"]
"""Something that decides an objective's value: the subnet, the chip it runs on, the supernet's weights."""

Stops = Callable[[int, Booleans], bool]
"""Decides whether to stop scoring a subnet, given its place in the batch and its results so far."""


class ObjectiveError(H4HError):
    """An objective that cannot be used."""


@dataclass(frozen=True)
class Declaration:
    """Declared properties of an objective, known before it is created.

    Attributes:
        name: Name on the command line, e.g. ``lat``.
        unit: Unit of the values, e.g. ``ms``.
        direction: Whether more (``max``) or less (``min``) is better.
        depends_on: What a value depends on. Without ``chip``, a value holds for the network on every chip.
        follows_size: Whether the values of all networks lie about between those of the smallest and the
            largest network. If not, the bounds of the hypervolume come from a sample of networks.
        is_expensive: Whether one value takes noticeable time, so that cheap constraints are checked first.
    """

    name: str
    unit: str
    direction: Direction
    depends_on: tuple[Dependency, ...]
    follows_size: bool
    is_expensive: bool


ACCURACY = Declaration("acc", "%", "max", ("network", "weights"), follows_size=False, is_expensive=True)
"""Declared here, since the accuracy's own module imports torch, which takes seconds."""


@runtime_checkable
class Objective(Protocol):
    """A quantity that the search optimises or constrains.

    It gets all subnets of a batch together, so that an accuracy oracle can share work and a cost model
    can vectorise. A value never depends on the rest of the batch. The properties are those of `Declaration`;
    class attributes are the usual way to write them.

    Example:
        >>> from search_space import load_space
        >>> class Depth:
        ...     name, unit, direction = "depth", "blocks", "max"
        ...     depends_on, follows_size, is_expensive = ("network",), True, False
        ...     version = "1"
        ...     def __call__(self, subnets):
        ...         return [subnet.conv_blocks + subnet.vit_blocks for subnet in subnets]
        ...     def fingerprint(self):
        ...         return {}
        >>> from objectives import Objective
        >>> isinstance(Depth(), Objective)
        True
        >>> from studies import StudySettings, run_study
        >>> settings = StudySettings(objectives=("macs", "depth"), population=6, generations=1)
        >>> study = run_study(settings, database="studies.db", objectives=[Depth()])
        >>> study.front()[0]["depth"] < study.front()[-1]["depth"]
        True
    """

    @property
    def name(self) -> str:
        """Name on the command line."""
        ...

    @property
    def unit(self) -> str:
        """Unit of the values."""
        ...

    @property
    def direction(self) -> Direction:
        """Whether more or less is better."""
        ...

    @property
    def depends_on(self) -> tuple[Dependency, ...]:
        """What a value depends on."""
        ...

    @property
    def follows_size(self) -> bool:
        """Whether all values lie about between those of the smallest and the largest network."""
        ...

    @property
    def is_expensive(self) -> bool:
        """Whether one value takes noticeable time."""
        ...

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        """Values of n subnets, float64 (n,), in order; an empty array for no subnets."""
        ...

    def fingerprint(self) -> dict[str, str]:
        """Everything that decides the value of a given subnet, e.g. the digest of the SoC.

        Values under different fingerprints are not comparable, and a study is not resumed across them.
        """
        ...


def declaration(objective: Any) -> Declaration:
    """The declaration of an objective, or of a class of objectives.

    Raises:
        ObjectiveError: An attribute is missing or has a wrong value.
    """
    if isinstance(objective, Declaration):
        return objective
    who = getattr(objective, "__name__", type(objective).__name__)
    values: dict[str, Any] = {}
    for field in fields(Declaration):
        if not hasattr(objective, field.name):
            raise ObjectiveError(
                f"objective {who} has no attribute {field.name!r}: an objective must declare "
                f"{', '.join(each.name for each in fields(Declaration))}"
            )
        values[field.name] = getattr(objective, field.name)
    _check_declared(who, values)
    return Declaration(**values | {"depends_on": tuple(values["depends_on"])})


def _check_declared(who: str, values: dict[str, Any]) -> None:
    """Raises `ObjectiveError` if a declared value is not allowed."""

    def refuse(attribute: str, allowed: str) -> ObjectiveError:
        return ObjectiveError(
            f"objective {who}: {attribute} must be {allowed}, but got {values[attribute]!r}"
        )

    if not isinstance(values["name"], str) or not values["name"].isidentifier():
        raise refuse("name", "letters, digits and underscores")
    if not isinstance(values["unit"], str) or not values["unit"]:
        raise refuse("unit", "a text such as 'ms'")
    if values["direction"] not in get_args(Direction):
        raise refuse("direction", "'max' or 'min'")
    dependencies, given = get_args(Dependency), values["depends_on"]
    if (
        not isinstance(given, (tuple, list, set, frozenset))
        or not given
        or not set(given) <= set(dependencies)
    ):
        raise refuse("depends_on", f"a tuple of some of {', '.join(map(repr, dependencies))}")
    for attribute in ("follows_size", "is_expensive"):
        if not isinstance(values[attribute], bool):
            raise refuse(attribute, "True or False")


@runtime_checkable
class ImageObjective(Objective, Protocol):
    """An objective that is the share of images, in %, that a subnet classifies correctly.

    The images are in random order, so that the first n of them are a fair sample for every n.
    """

    @property
    def images(self) -> int:
        """Number of images that score a subnet."""
        ...

    @property
    def slice_images(self) -> int:
        """Number of images that are scored at a time."""
        ...

    def right(self, subnets: Sequence[Subnet], stops: Stops | None = None) -> list[Booleans]:
        """Whether each subnet is right on each image, independent of the other subnets.

        Args:
            subnets: The subnets to score.
            stops: Called after every slice but the last for each subnet that is still scored. It may run in
                another process.

        Returns:
            For each subnet ``(n,)``; n is `images` unless the subnet was stopped.
        """
        ...


@dataclass(frozen=True)
class Design:
    """A network on a chip: what a study evaluates.

    Attributes:
        subnet: The network.
        chip: The searched numbers of the chip.
    """

    subnet: Subnet
    chip: Chip


@runtime_checkable
class ChipObjective(Objective, Protocol):
    """An objective that measures each network on its own chip."""

    def on_chips(self, designs: Sequence[Design]) -> Floats:
        """Values of n designs, float64 (n,), in order; an empty array for no designs."""
        ...


def percent(right: int, images: int) -> float:
    """Accuracy in % of a subnet that is right on `right` of `images` images."""
    return 100 * right / images
