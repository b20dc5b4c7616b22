"""Named studies: a study by its name in a database, or as ``OTHER.db:NAME``."""

from __future__ import annotations

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


def add_database(add: Callable[..., object]) -> None:
    """Adds the option ``--db`` by the `add_argument` of a parser or group."""
    add(
        "--db",
        type=Path,
        default=Path("studies.db"),
        metavar="FILE",
        help="SQLite file of the studies (default: %(default)s)",
    )
