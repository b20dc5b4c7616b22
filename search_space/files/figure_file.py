"""Figure files: allowed formats, and writing a figure whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from search_space.errors import H4HError
from search_space.files.regular_file import output_problem
from search_space.files.whole_file import whole_file
from search_space.files.writable_folder import folder_problem

if TYPE_CHECKING:  # matplotlib takes a second to import, and few commands draw
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")


def check_figure_path(path: Path, *, option: str = "--plot") -> None:
    """Checks the path of a figure before anything is computed.

    Args:
        path: File of the figure.
        option: Command-line option that gave `path`, for messages.

    Raises:
        H4HError: The name does not end in one of `FORMATS`, or no file can be created there.
    """
    if path.suffix.lower() not in FORMATS:
        raise H4HError(
            f"{option} must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, but got {str(path)!r}"
        )
    if not path.parent.is_dir():
        raise H4HError(f"{option} {path}: the folder {path.parent} does not exist; create it first")
    if problem := output_problem(path):
        raise H4HError(f"{option} {path} {problem}; name another file")
    if problem := folder_problem(path.parent):
        raise H4HError(f"{option} {path}: {problem}; name a file in another folder")


def save_figure(figure: Figure, path: Path, *, option: str = "--plot") -> None:
    """Writes the figure, whole or not at all.

    Raises:
        H4HError: It cannot be written.
    """
    try:
        with whole_file(path) as temporary:
            figure.savefig(temporary, format=path.suffix.lower()[1:], dpi=120)
    except OSError as error:
        raise H4HError(f"{option} {path}: cannot be written ({error.strerror})") from error
