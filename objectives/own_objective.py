"""User-defined objectives: checks and identity of an object that follows `Objective`.

    class Depth:
        name, unit, direction = "depth", "blocks", "max"

        def __call__(self, subnets):
            return [subnet.conv_blocks + subnet.vit_blocks for subnet in subnets]

    run_study(StudySettings(objectives=("macs", "depth")), database="studies.db", objectives=[Depth()])

or ``--objectives macs,mymodule:Depth``. `is_expensive` (False), `follows_size` (False, so that the bounds of
the hypervolume are sampled) and `fingerprint` (empty) may be left out. What identifies its code joins its
fingerprint, see `search_space.files.own_code`.

An objective that depends on the chip is a class that declares everything, including
``depends_on = ("network", "chip")``. Like the built-in ones, it is called with the `CostModel` of each chip.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, get_args

import numpy as np

from objectives.hardware import CostModel
from objectives.objective import ACCURACY, Dependency, Design, Direction, Objective, Stops
from objectives.workers.cluster_state import ClusterState
from objectives.workers.shared_objective import Cluster, SharedObjective, shared
from search_space.arrays import Booleans, Floats
from search_space.errors import H4HError
from search_space.files.own_code import (
    OwnCodeError,
    code_identity,
    code_name,
    failure_text,
    import_object,
    is_reference,
)
from search_space.files.plug_ins import PlugIn
from search_space.subnet import Subnet

REPLACEABLE = (ACCURACY.name, ACCURACY.unit, ACCURACY.direction)
"""The built-in objective that a user-defined one may replace, e.g. by a table of accuracies."""
TAKEN = (
    *("id", "genotype", "family", "feasible", "on_front", "stopped_after"),
    *("conv_blocks", "vit_blocks", "macs", "params", "units"),
)
"""Names of other columns of an evaluation."""


class OwnObjective:
    """A user-defined objective. Its exceptions become one-line errors that name it.

    Args:
        content: The object.
        reference: Name of the object in messages; by default its ``module:Class``.

    Attributes:
        content: The object.
        code: Name of the object in messages.

    Raises:
        OwnCodeError: The object lacks an attribute, or its code cannot be identified.
    """

    def __init__(self, content: Any, reference: str | None = None) -> None:
        self.content = content
        self.code = reference or code_name(content)
        self.name: str = self._text("name", "such as 'depth'")
        self.unit: str = self._text("unit", "such as 'mW'")
        direction = getattr(content, "direction", None)
        if direction not in ("max", "min"):
            raise self._error(f"needs an attribute `direction`, 'max' or 'min', but has {direction!r}")
        self.direction: Direction = direction
        self.depends_on = self._dependencies()
        self.follows_size = bool(getattr(content, "follows_size", False))
        self.is_expensive = bool(getattr(content, "is_expensive", False))
        if not self.name.isidentifier() or self.name in TAKEN:
            raise self._error(
                f"has the name {self.name!r}, but it must be letters, digits and underscores, and none of "
                f"{', '.join(TAKEN)}"
            )
        if not callable(content):
            raise self._error("must be callable: it is given a list of subnets and returns their values")
        self._measure: Callable[[Sequence[Subnet]], Any] = content
        self._team: SharedObjective | None = None
        own = self._own_fingerprint()
        self._fingerprint = {
            **{
                f"{self.name}_{key}": value for key, value in code_identity(content, kind="objective").items()
            },
            **own,
        }

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        """Values of n subnets, float64 (n,).

        Raises:
            OwnCodeError: The object raised an exception, or returned no array of this shape.
        """
        with self._named():
            return self._values(self._measure(subnets), len(subnets))

    def fingerprint(self) -> dict[str, str]:
        """Name and version of the code, and the object's own fingerprint."""
        return dict(self._fingerprint)

    def measure_with(self, *, workers: int = 1, cluster: Cluster | None = None) -> None:
        """Lets workers measure the object from now on.

        Raises:
            OwnCodeError: The object cannot be sent to workers.
            WorkerError: Workers cannot be reached.
        """
        if workers == 1 and cluster is None:
            return
        where = "--workers above 1" if cluster is None else "--dask"
        if type(self.content).__module__ == "__main__":
            raise self._error(
                f"cannot be sent to {where}: its class must lie in a module that can be imported, not in the "
                f"script or notebook that runs"
            )
        try:
            pickle.dumps(self.content)
        except Exception as error:
            raise self._error(f"cannot be sent to {where} ({failure_text(error)})") from error
        with self._named():
            team_objective = shared(self.content, workers=workers, cluster=cluster)
        assert isinstance(team_objective, SharedObjective)
        self._measure = self._team = team_objective

    def cluster_state(self) -> ClusterState | None:
        """State of the Dask cluster that measures it, if there is one."""
        return None if self._team is None else self._team.cluster_state()

    def close(self) -> None:
        """Ends the workers that measure it, if there are any."""
        if self._team is not None:
            self._team.close()

    def _text(self, attribute: str, example: str) -> str:
        text = getattr(self.content, attribute, None)
        if not isinstance(text, str) or not text.strip():
            raise self._error(f"needs an attribute `{attribute}`, a text {example}, but has {text!r}")
        return text

    def _dependencies(self) -> tuple[Dependency, ...]:
        """What its values depend on. An object that only receives subnets cannot depend on the chip."""
        default = ("network", "chip") if hasattr(self.content, "on_chips") else ("network",)
        dependencies = getattr(self.content, "depends_on", default)
        if not isinstance(dependencies, tuple) or not set(dependencies) <= set(get_args(Dependency)):
            raise self._error(
                f"has depends_on {dependencies!r}, but it must be a tuple of some of "
                f"{', '.join(map(repr, get_args(Dependency)))}"
            )
        return dependencies

    def _own_fingerprint(self) -> dict[str, str]:
        if not hasattr(self.content, "fingerprint") or isinstance(self.content, type):
            return {}
        with self._named():
            parts = self.content.fingerprint()
        if not isinstance(parts, dict) or not all(
            isinstance(text, str) for text in (*parts, *parts.values())
        ):
            raise self._error(f"must give texts by name as its fingerprint(), but gave {parts!r:.80}")
        return parts

    def _values(self, values: Any, count: int) -> Floats:
        array = np.asarray(values, dtype=np.float64)
        if array.shape != (count,):
            raise self._error(
                f"must give one value for each of {count} subnets, but gave shape {array.shape}"
            )
        return array

    def _error(self, problem: str) -> OwnCodeError:
        return OwnCodeError(f"objective {self.code!r} {problem}")

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Turns what the object raises into one line that names it."""
        try:
            yield
        except H4HError:
            raise
        except Exception as error:
            raise self._error(f"failed ({failure_text(error)})") from error


class OwnImageObjective(OwnObjective):
    """An `ImageObjective` of a user's own, which can race."""

    @property
    def images(self) -> int:
        """Number of images that score a subnet."""
        return int(self.content.images)

    @property
    def slice_images(self) -> int:
        """Number of images that are scored at a time."""
        return int(self.content.slice_images)

    def right(self, subnets: Sequence[Subnet], stops: Stops | None = None) -> list[Booleans]:
        """Whether each subnet is right on each image; see `ImageObjective`."""
        with self._named():
            right: list[Booleans] = self.content.right(subnets, stops)
            return right


class OwnChipObjective(OwnObjective):
    """An objective of a user's own whose value depends on the chip: a `ChipObjective`, or a class.

    A class is called with the `CostModel` of each chip, which `make_on` provides.
    """

    def make_on(self, on_hardware: Callable[[Callable[[CostModel], Objective]], Objective]) -> None:
        """Makes the objective of every chip if it is given as a class.

        Args:
            on_hardware: As `ObjectiveContext.on_hardware`.

        Raises:
            OwnCodeError: The class cannot be called with a cost model, or its declaration is incomplete.
        """
        if not isinstance(self.content, type):
            return
        with self._named():
            objective = on_hardware(self.content)
        self._measure = self.content = objective
        self._fingerprint |= self._own_fingerprint()

    def on_chips(self, designs: Sequence[Design]) -> Floats:
        """Values of n designs, float64 (n,)."""
        with self._named():
            return self._values(self.content.on_chips(designs), len(designs))


def own_objective(content: object, reference: str | None = None) -> OwnObjective:
    """The objective that an object of a user's own is.

    Args:
        content: An object that follows `Objective`; a class that makes one without arguments; or a class that
            depends on the chip and makes one from a `CostModel`.
        reference: How messages call it; by default ``module:Class`` of the object.

    Raises:
        OwnCodeError: It is none.
    """
    if isinstance(content, type) and "chip" in getattr(content, "depends_on", ()):
        return OwnChipObjective(content, reference)
    if isinstance(content, type):
        try:
            content = content()
        except Exception as error:
            raise OwnCodeError(
                f"objective {reference or code_name(content)!r} cannot be made without arguments "
                f"({failure_text(error)})"
            ) from error
    if all(hasattr(content, name) for name in ("images", "slice_images", "right")):
        return OwnImageObjective(content, reference)
    kind = OwnChipObjective if hasattr(content, "on_chips") else OwnObjective
    return kind(content, reference)


def _plugged_in(plug_in: PlugIn) -> OwnObjective:
    """The objective of an installed package."""
    objective = own_objective(plug_in.load(), plug_in.title)
    if objective.name != plug_in.name:
        raise plug_in.error(f"calls itself {objective.name!r}: give both the same name")
    return objective


def own_objectives(
    names: Sequence[str],
    given: Sequence[object],
    built_in: Collection[str],
    find: Callable[[str], PlugIn | None],
) -> dict[str, OwnObjective]:
    """Objectives of a study that are not built in, by the names or references that ask for them.

    Args:
        names: Objectives of the study, and quantities that it limits: built-in names, names of `given` or of
            installed packages, or ``module:Class``.
        given: Objects; one that is not in `names` stands under its own name behind the others.
        built_in: Names of the built-in objectives.
        find: Finds the objective of an installed package.

    Raises:
        H4HError: One of them is wrong, or two have the same name.
    """
    by_name = {objective.name: objective for objective in map(own_objective, given)}
    if len(by_name) != len(given):
        raise OwnCodeError("objectives: two of the objects have the same name: give each its own")
    by_name |= {
        name: own_objective(import_object(name, kind="objective"), name)
        for name in names
        if is_reference(name)
    }
    for name in names:
        is_open = name not in by_name and name not in built_in
        if is_open and (plug_in := find(name)) is not None:
            by_name[name] = _plugged_in(plug_in)
    named = [objective.name for objective in by_name.values()]
    for objective in by_name.values():
        if named.count(objective.name) > 1:
            raise OwnCodeError(
                f"objective {objective.code!r}: another one is called {objective.name!r} as well"
            )
        if (
            objective.name in built_in
            and (objective.name, objective.unit, objective.direction) != REPLACEABLE
        ):
            raise OwnCodeError(
                f"objective {objective.code!r} has the name of the built-in objective {objective.name!r}: "
                f"rename it (only 'acc', in % and larger is better, may be replaced)"
            )
    return by_name
