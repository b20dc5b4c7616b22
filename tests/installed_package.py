"""A package with entry points, written into a folder as an installer leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def install(
    folder: Path, name: str, *, version: str = "1.0", files: Mapping[str, str], points: Mapping[str, str]
) -> None:
    """Writes the package `name` and its metadata into `folder`, which must stand in the path.

    Args:
        folder: Folder of installed packages.
        name: Name of the distribution; its files lie in a package with underscores.
        version: Its version.
        files: Text of each file by name.
        points: Lines ``name = module:object`` of each group, by its name.
    """
    package = folder / name.replace("-", "_")
    package.mkdir(parents=True)
    for file, text in {"__init__.py": "", **files}.items():
        (package / file).write_text(text, encoding="utf-8")
    metadata = folder / f"{package.name}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    sections = (f"[{group}]\n{lines}\n" for group, lines in points.items())
    (metadata / "entry_points.txt").write_text("".join(sections))
