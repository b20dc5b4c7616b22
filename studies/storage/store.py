"""Studies and their evaluations in one SQLite file.

Append-only: rows are added and never changed, and triggers in the file see to that. A finished evaluation
is durable when `append` returns (write-ahead log, synchronous=FULL), so that a killed study loses only
what was in the making. Values stand there as JSON texts, which hold a float64 exactly. No pickles.

Opening verifies the file before anything is written to it; a damaged or foreign file is left as it is.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType

from search_space.errors import H4HError, UnknownNameError
from search_space.genotype import Genotype, parse, to_text
from studies.storage.database_lock import lock_holder
from studies.study.evaluation import Evaluation
from studies.study.fingerprint import part_of
from studies.study.prediction_quality import GenerationReport
from studies.study.study import Goal, Study

APPLICATION_ID = 0x4834484E
"""Marks a file as a study database ("H4HN"), in SQLite's own field for that."""
SCHEMA_VERSION = 2
BUSY_TIMEOUT_S = 10.0

_SCHEMA = f"""
BEGIN;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE study (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    space TEXT NOT NULL,
    space_definition TEXT NOT NULL,
    objectives TEXT NOT NULL,
    constraints TEXT NOT NULL,
    settings TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    created_at TEXT NOT NULL
);
CREATE TABLE evaluation (
    study INTEGER NOT NULL REFERENCES study (id),
    number INTEGER NOT NULL,
    genotype TEXT NOT NULL,
    objectives TEXT NOT NULL,
    limited TEXT NOT NULL,
    is_feasible INTEGER NOT NULL,
    macs INTEGER NOT NULL,
    params INTEGER NOT NULL,
    conv_blocks INTEGER NOT NULL,
    vit_blocks INTEGER NOT NULL,
    family TEXT NOT NULL,
    stopped_after INTEGER,
    PRIMARY KEY (study, number),
    UNIQUE (study, genotype)
) WITHOUT ROWID;
CREATE TABLE generation (
    study INTEGER NOT NULL REFERENCES study (id),
    number INTEGER NOT NULL,
    source TEXT NOT NULL,
    rank_correlation REAL,
    PRIMARY KEY (study, number)
) WITHOUT ROWID;
CREATE TRIGGER study_is_final BEFORE UPDATE ON study
    BEGIN SELECT RAISE(ABORT, 'studies are append-only'); END;
CREATE TRIGGER study_stays BEFORE DELETE ON study
    BEGIN SELECT RAISE(ABORT, 'studies are append-only'); END;
CREATE TRIGGER evaluation_is_final BEFORE UPDATE ON evaluation
    BEGIN SELECT RAISE(ABORT, 'evaluations are append-only'); END;
CREATE TRIGGER evaluation_stays BEFORE DELETE ON evaluation
    BEGIN SELECT RAISE(ABORT, 'evaluations are append-only'); END;
CREATE TRIGGER generation_is_final BEFORE UPDATE ON generation
    BEGIN SELECT RAISE(ABORT, 'generations are append-only'); END;
CREATE TRIGGER generation_stays BEFORE DELETE ON generation
    BEGIN SELECT RAISE(ABORT, 'generations are append-only'); END;
COMMIT;
"""


class StoreError(H4HError):
    """A database that cannot be read or written."""


class Store:
    """An open study database; a context manager that closes it. Made by `open_store`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the database; the write-ahead log is merged into the file."""
        self._connection.close()

    def studies(self) -> list[Study]:
        """All studies, oldest first."""
        with _translated(self.path):
            return [_study(row) for row in self._connection.execute(f"{_SELECT_STUDY} ORDER BY id")]

    def find(self, name: str) -> Study | None:
        """The study called `name`, or None."""
        with _translated(self.path):
            row = self._connection.execute(f"{_SELECT_STUDY} WHERE name = ?", (name,)).fetchone()
            return None if row is None else _study(row)

    def study(self, name: str) -> Study:
        """The study called `name`.

        Raises:
            UnknownNameError: There is none.
        """
        found = self.find(name)
        if found is None:
            names = [study.name for study in self.studies()]
            raise UnknownNameError("study", name, names or ["(none: the database is empty)"])
        return found

    def add(self, study: Study) -> None:
        """Stores a new study.

        Raises:
            StoreError: There is one of this name, or the database cannot be written.
        """
        goals = [
            {
                "name": goal.name,
                "unit": goal.unit,
                "direction": goal.direction,
                "ideal": best,
                "reference": worst,
            }
            for goal, best, worst in zip(study.goals, study.ideal, study.reference, strict=True)
        ]
        row = (
            study.name,
            study.space,
            _to_json(study.space_definition),
            _to_json(goals),
            _to_json(study.constraints),
            _to_json(study.settings),
            _to_json(study.fingerprint),
            study.created_at,
        )
        with _translated(self.path), self._connection:
            self._connection.execute(
                "INSERT INTO study (name, space, space_definition, objectives, constraints, settings, "
                "fingerprint, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )

    def append(self, name: str, evaluations: Iterable[Evaluation]) -> None:
        """Stores finished evaluations of the study called `name`, all or none of them.

        Raises:
            StoreError: An index or a genotype is there already (another process runs this study), or the
                database cannot be written.
        """
        rows = [
            (
                name,
                one.index,
                to_text(one.genotype),
                _to_json(one.values),
                _to_json(one.limited),
                int(one.is_feasible),
                one.macs,
                one.params,
                one.conv_blocks,
                one.vit_blocks,
                one.family,
                one.stopped_after,
            )
            for one in evaluations
        ]
        with _translated(self.path), self._connection:
            self._connection.executemany(
                "INSERT INTO evaluation VALUES ((SELECT id FROM study WHERE name = ?), ?, ?, ?, ?, ?, ?, ?, "
                "?, ?, ?, ?)",
                rows,
            )

    def append_report(self, name: str, generation: int, report: GenerationReport) -> None:
        """Stores what the sampler of the study called `name` says of a generation, which counts from 1.

        Raises:
            StoreError: The generation has a report already, or the database cannot be written.
        """
        with _translated(self.path), self._connection:
            self._connection.execute(
                "INSERT INTO generation VALUES ((SELECT id FROM study WHERE name = ?), ?, ?, ?)",
                (name, generation, report.source, report.rank_correlation),
            )

    def reports(self, name: str) -> list[GenerationReport]:
        """What its sampler says of each generation of the study called `name`; empty without predictions."""
        with _translated(self.path):
            return [
                GenerationReport(str(source), None if correlation is None else float(correlation))
                for source, correlation in self._connection.execute(
                    "SELECT source, rank_correlation FROM generation "
                    "WHERE study = (SELECT id FROM study WHERE name = ?) ORDER BY number",
                    (name,),
                )
            ]

    def count(self, name: str) -> int:
        """Number of evaluations of the study called `name`."""
        with _translated(self.path):
            row = self._connection.execute(
                "SELECT count(*) FROM evaluation WHERE study = (SELECT id FROM study WHERE name = ?)", (name,)
            ).fetchone()
        return int(row[0])

    def evaluations(self, name: str) -> list[Evaluation]:
        """All evaluations of the study called `name`, in order of their index."""
        with _translated(self.path):
            return [
                _evaluation(row)
                for row in self._connection.execute(
                    "SELECT number, genotype, objectives, limited, is_feasible, macs, params, conv_blocks, "
                    "vit_blocks, family, stopped_after FROM evaluation "
                    "WHERE study = (SELECT id FROM study WHERE name = ?) ORDER BY number",
                    (name,),
                )
            ]

    def measured(self, objective: str, space: str, deciding: Mapping[str, str]) -> dict[Genotype, float]:
        """Values of one objective that any study of this database has measured in the same way.

        Args:
            objective: Its name.
            space: Digest of the search space.
            deciding: All that decides the value of a subnet, as `Objective.fingerprint` gives it: for the
                accuracy hashes of checkpoint and images, the oracle's settings and its version.

        Returns:
            By canonical genotype of the network, whatever chips a study searched with it. Bounds that racing
            left are not among them.
        """
        values: dict[Genotype, float] = {}
        for study in self.studies():
            if study.fingerprint["space"] != space or not _agrees(study.fingerprint, objective, deciding):
                continue
            # Its fingerprint has the objective's parts, so it is among its goals or its limits.
            column = study.quantities.index(objective)
            for one in self.evaluations(study.name):
                value = (*one.values, *one.limited)[column]
                if value is not None and not one.is_bound:
                    values[study.network(one.genotype)] = value
        return values


def _agrees(fingerprint: Mapping[str, str], objective: str, deciding: Mapping[str, str]) -> bool:
    """Whether a study's fingerprint has these parts, under their own names or the objective's."""
    return all(part_of(fingerprint, objective, key) == value for key, value in deciding.items())


def open_store(path: Path, *, writable: bool = False) -> Store:
    """Opens an existing database, after verifying it.

    Without `writable` not a byte of the file or beside it changes.

    Raises:
        StoreError: There is none, or it is damaged, no SQLite database, or of another kind or version.
    """
    if not path.exists():
        raise StoreError(f"database {path} does not exist")
    if not path.is_file():
        raise StoreError(f"database {path} is not a file")
    with _translated(path):
        # Verified without the right to write even where writing is wanted: SQLite repairs and merges what
        # it opens for writing, and a damaged file has to stay as it is.
        connection = _connect(path, writable=False)
        try:
            _verify(path, connection)
        except BaseException:
            connection.close()
            raise
        if writable:
            connection.close()
            connection = _connect(path, writable=True)
    return Store(path, connection)


def create_store(path: Path) -> Store:
    """Creates an empty database and opens it for writing; opens it if there is one already.

    Raises:
        StoreError: The folder does not exist or cannot be written, or `path` is no study database.
    """
    check_writable(path)
    if not path.exists():
        with _translated(path), closing(sqlite3.connect(":memory:")) as connection:
            connection.executescript(_SCHEMA)
            _publish(connection.serialize(), path)
    return open_store(path, writable=True)


def check_writable(path: Path) -> None:
    """Raises `StoreError` if a database at `path` can be neither created nor written."""
    if not path.parent.is_dir():
        raise StoreError(f"database {path}: the folder {path.parent} does not exist")
    # SQLite keeps its log beside the file, so the folder has to be writable in either case.
    for needed in (path.parent, path):
        if needed.exists() and not os.access(needed, os.W_OK, effective_ids=True):
            raise StoreError(f"database {path}: {needed} cannot be written")


def _publish(content: bytes, path: Path) -> None:
    """Makes the file at once and whole, unless another process was faster; then that one's file stays."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        except OSError:  # A file system without hard links.
            if not path.exists():
                temporary.replace(path)
    except OSError as error:
        raise StoreError(f"database {path} cannot be created ({error.strerror})") from error
    finally:
        temporary.unlink(missing_ok=True)


def _connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    # A reader of a database in WAL mode makes the files of the log if there are none, and cannot remove
    # them. Without a log nobody is writing, and the file alone is all there is: "immutable" reads just that.
    has_log = path.with_name(path.name + "-wal").exists()
    mode = "rw" if writable else "ro" if has_log else "ro&immutable=1"
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=BUSY_TIMEOUT_S)
    if writable:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _verify(path: Path, connection: sqlite3.Connection) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID:
        raise StoreError(f"database {path} is not a study database of H4H-NAS; name another file with --db")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        raise StoreError(
            f"database {path} has schema version {version}, but this version of H4H-NAS reads "
            f"{SCHEMA_VERSION}"
        )
    result = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if result != "ok":
        raise StoreError(f"database {path} is damaged ({result}); it was left as it is")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turns what SQLite and damaged rows raise into a `StoreError` that names the file."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise StoreError(
            f"database {path}: a row is there already ({error}); does another process run this study?"
        ) from error
    except sqlite3.OperationalError as error:
        raise StoreError(f"database {path} {_trouble(path, error)}") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(f"database {path} is damaged ({error}); it was left as it is") from error
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"database {path} is damaged (a row cannot be read: {error})") from error


def _trouble(path: Path, error: sqlite3.OperationalError) -> str:
    """What keeps a database from being used, and the remedy."""
    kind = getattr(error, "sqlite_errorcode", 0) & 0xFF  # The rest of the code is a detail of it.
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return (
            f"has been locked by {lock_holder(path)} for {BUSY_TIMEOUT_S:g} s; wait for it or end it, and "
            f"repeat the command"
        )
    if kind in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return (
            f"cannot be read or written ({error}); what is stored is kept: make room on its disk and repeat "
            f"the command"
        )
    return f"cannot be used ({error})"  # Read-only, cannot be opened.


_SELECT_STUDY = (
    "SELECT name, space, space_definition, objectives, constraints, settings, fingerprint, created_at "
    "FROM study"
)


def _study(row: Sequence[str]) -> Study:
    name, space, definition, objectives, constraints, settings, fingerprint, created_at = row
    goals = json.loads(objectives)
    return Study(
        name=name,
        space=space,
        space_definition=json.loads(definition),
        goals=tuple(Goal(goal["name"], goal["unit"], goal["direction"]) for goal in goals),
        constraints=tuple(json.loads(constraints)),
        settings=json.loads(settings),
        fingerprint=json.loads(fingerprint),
        ideal=tuple(float(goal["ideal"]) for goal in goals),
        reference=tuple(float(goal["reference"]) for goal in goals),
        created_at=created_at,
    )


def _evaluation(row: Sequence[object]) -> Evaluation:
    index, genotype, values, limited, is_feasible, *counts, family, stopped_after = row
    macs, params, conv_blocks, vit_blocks = counts
    return Evaluation(
        index=_int(index),
        genotype=parse(str(genotype)),
        values=_floats(str(values)),
        limited=_floats(str(limited)),
        is_feasible=bool(is_feasible),
        macs=_int(macs),
        params=_int(params),
        conv_blocks=_int(conv_blocks),
        vit_blocks=_int(vit_blocks),
        family=str(family),
        stopped_after=None if stopped_after is None else _int(stopped_after),
    )


def _floats(text: str) -> tuple[float | None, ...]:
    return tuple(None if value is None else float(value) for value in json.loads(text))


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"expected an integer, got {value!r}")
    return value


def _to_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
