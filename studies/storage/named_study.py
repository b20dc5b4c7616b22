"""Named studies: a study by its name in a database, or as ``OTHER.db:NAME``."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, _MutuallyExclusiveGroup
from collections.abc import Callable
from pathlib import Path

from studies.storage.store import open_store
from studies.study.evaluation import Evaluation
from studies.study.study import Study


def read_study(text: str, database: Path) -> tuple[Study, list[Evaluation]]:
    """Reads a study with its evaluations.

    Args:
        text: Name of the study in `database`, or ``OTHER.db:NAME``. A name in `database` takes precedence.
        database: Database to look in; need not exist if `text` names another one.

    Raises:
        StoreError: A database is missing or damaged.
        UnknownNameError: There is no such study.
    """
    path, name = located(text, database)
    with open_store(path) as store:
        return store.study(name), store.evaluations(name)


def located(text: str, database: Path) -> tuple[Path, str]:
    """Database and name of the study that `text` refers to; the study need not exist.

    Raises:
        StoreError: A database is damaged.
    """
    if database.exists():
        with open_store(database) as store:
            if store.find(text) is not None:
                return database, text
    for place, character in enumerate(text):
        if character == ":" and (other := Path(text[:place])).exists():
            return located(text[place + 1 :], other)
    return database, text


def absolute_source(text: str, database: Path) -> str:
    """`text` with an absolute path if it refers to another database than `database`."""
    path, name = located(text, database)
    return text if name == text else f"{path.absolute()}:{name}"


def add_study(
    group: ArgumentParser | _MutuallyExclusiveGroup, purpose: str, *, required: bool = True
) -> None:
    """Adds the name of one study, in either form: ``STUDY`` or ``--study STUDY``.

    Args:
        group: Parser, or a group of it whose members exclude each other.
        purpose: What the study is for, for the help.
        required: Whether the parser demands a name; a group of its own decides itself.
    """
    if isinstance(group, ArgumentParser):
        group = group.add_mutually_exclusive_group(required=required)
    text = f"{purpose}: its name, or OTHER.db:NAME"
    # Without a default, a name that is not given leaves the option's value alone.
    group.add_argument("study", nargs="?", default=SUPPRESS, metavar="STUDY", help=text)
    group.add_argument("--study", metavar="STUDY", help="the same as an option")


def add_database(add: Callable[..., object]) -> None:
    """Adds the option ``--db`` by the `add_argument` of a parser or group."""
    add(
        "--db",
        type=Path,
        default=Path("studies.db"),
        metavar="FILE",
        help="SQLite file of the studies (default: %(default)s)",
    )
