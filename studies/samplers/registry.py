"""Samplers by the names that `--sampler` takes. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable

from search_space.errors import UnknownNameError
from search_space.space import Space
from studies.samplers.sampler import Sampler


def _nsga2(space: Space, objectives: int, constraints: int, population: int, seed: int) -> Sampler:
    # pymoo takes half a second to import: only when it is used, so that bad input fails fast.
    from studies.samplers.nsga2 import NSGA2Sampler

    return NSGA2Sampler(
        space, objectives=objectives, constraints=constraints, population=population, seed=seed
    )


_FACTORIES: dict[str, Callable[[Space, int, int, int, int], Sampler]] = {"nsga2": _nsga2}


def known_samplers() -> tuple[str, ...]:
    """Names of all samplers."""
    return tuple(_FACTORIES)


def check_sampler(name: str) -> None:
    """Raises `UnknownNameError` if no sampler has this name."""
    if name not in _FACTORIES:
        raise UnknownNameError("sampler", name, _FACTORIES)


def create_sampler(
    name: str, space: Space, *, objectives: int, constraints: int, population: int, seed: int
) -> Sampler:
    """The sampler called `name`.

    Args:
        name: One of `known_samplers`.
        space: What is searched.
        objectives: Number of objectives.
        constraints: Number of constraints.
        population: Subnets per generation, at least 2.
        seed: Decides every draw.

    Raises:
        UnknownNameError: No sampler has this name.
    """
    check_sampler(name)
    return _FACTORIES[name](space, objectives, constraints, population, seed)
