"""Plug-ins: objects that installed packages offer under a name, by entry points of the groups `h4h.*`.

    [project.entry-points."h4h.objectives"]
    depth = "depth_package.objectives:Depth"

Names that the project has itself come first: a package cannot replace them. Reading names imports nothing; a
package is imported when one of its names is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from search_space.files.own_code import OwnCodeError, failure_text


@dataclass(frozen=True)
class PlugInGroup:
    """A group of entry points.

    Attributes:
        name: Name of the group in the metadata of packages.
        kind: Noun for messages, such as ``objective``.
    """

    name: str
    kind: str

    def names(self) -> tuple[str, ...]:
        """Names that installed packages offer, each once, in alphabetical order."""
        return tuple(sorted({point.name for point in entry_points(group=self.name)}))

    def all(self) -> tuple[PlugIn, ...]:
        """All plug-ins of the group, also several of one name."""
        points = entry_points(group=self.name)
        return tuple(sorted((PlugIn(self.kind, point) for point in points), key=lambda each: each.title))

    def find(self, name: str) -> PlugIn | None:
        """The plug-in called `name`; None if no installed package offers one.

        Raises:
            OwnCodeError: Several packages offer it.
        """
        found = [plug_in for plug_in in self.all() if plug_in.name == name]
        if len(found) > 1:
            packages = " and ".join(plug_in.package for plug_in in found)
            raise OwnCodeError(f"{self.kind} {name!r} is offered by {packages}: uninstall one of them")
        return found[0] if found else None


@dataclass(frozen=True)
class PlugIn:
    """An object that an installed package offers under a name.

    Attributes:
        kind: Noun for messages.
        point: The entry point.
    """

    kind: str
    point: EntryPoint

    @property
    def name(self) -> str:
        """Name to use it by."""
        return self.point.name

    @property
    def package(self) -> str:
        """Name and version of the package."""
        dist = self.point.dist
        return "an unnamed package" if dist is None else f"{dist.name} {dist.version}"

    @property
    def title(self) -> str:
        """Name and package, for messages."""
        return f"{self.name} ({self.package})"

    def load(self) -> object:
        """The object; its module is imported.

        Raises:
            OwnCodeError: It cannot be imported. The message names the package.
        """
        try:
            item: object = self.point.load()
        except (Exception, SystemExit) as error:
            raise self.error(
                f"cannot be imported from {self.point.value} ({failure_text(error)}): repair or uninstall "
                f"the package"
            ) from error
        return item

    def error(self, problem: str) -> OwnCodeError:
        """An error that names the plug-in and its package."""
        return OwnCodeError(f"{self.kind} {self.title!r} {problem}")
