"""Studies by the names a user gives: that of a study in the database at hand, or ``OTHER.db:NAME``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from studies.storage.store import open_store
from studies.study.evaluation import Evaluation
from studies.study.study import Study


def read_study(text: str, database: Path) -> tuple[Study, list[Evaluation]]:
    """A study with its evaluations.

    Args:
        text: Its name in `database`, or the path of another database, a colon and its name there. A name
            in `database` goes first.
        database: Where to look; need not exist where `text` names another one.

    Raises:
        StoreError: A database is missing or damaged.
        UnknownNameError: There is no such study.
    """
    path, name = located(text, database)
    with open_store(path) as store:
        return store.study(name), store.evaluations(name)


def located(text: str, database: Path) -> tuple[Path, str]:
    """Database and name of the study that `text` stands for, as `read_study` has it; it need not be there.

    Raises:
        StoreError: A database is damaged.
    """
    if database.exists():
        with open_store(database) as store:
            if store.find(text) is not None:
                return database, text
    for place, character in enumerate(text):
        if character == ":" and (other := Path(text[:place])).is_file():
            return located(text[place + 1 :], other)
    return database, text


def add_database(add: Callable[..., object]) -> None:
    """Adds --db.

    Args:
        add: `add_argument` of what it is added to.
    """
    add(
        "--db",
        type=Path,
        default=Path("studies.db"),
        metavar="FILE",
        help="SQLite file (default: %(default)s)",
    )
