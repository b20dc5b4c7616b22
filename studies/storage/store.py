"""Studies and their evaluations in one SQLite file.

The file is append-only: triggers refuse to change or delete a row. A finished evaluation is durable when
`append` returns (write-ahead log, synchronous=FULL), so a killed study loses only evaluations in progress.
Values are stored as JSON texts, which hold a float64 exactly. There are no pickles.

`open_store` verifies a file before anything is written to it. It leaves a damaged or foreign file unchanged.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType

from search_space.errors import UnknownNameError
from search_space.genotype import Genotype, parse, to_text
from studies.storage.database_file import (
    APPLICATION_ID,
    SCHEMA_VERSION,
    StoreError,
    check_writable,
    connect,
    publish,
    translated,
    verify,
)
from studies.study.evaluation import Evaluation
from studies.study.fingerprint import part_of
from studies.study.prediction_quality import GenerationReport
from studies.study.study import Goal, Study

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


class Store:
    """An open study database; a context manager that closes it. Made by `open_store`.

    Example:
        >>> from studies import StudySettings, open_store, run_study
        >>> settings = StudySettings(objectives=("macs", "lat"), population=4, generations=1)
        >>> _ = run_study(settings, database="studies.db")
        >>> with open_store("studies.db") as store:
        ...     [study.name for study in store.studies()]
        ['cifar32-macs-lat-s0']
    """

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
        with translated(self.path):
            return [_study(row) for row in self._connection.execute(f"{_SELECT_STUDY} ORDER BY id")]

    def find(self, name: str) -> Study | None:
        """The study called `name`, or None."""
        with translated(self.path):
            row = self._connection.execute(f"{_SELECT_STUDY} WHERE name = ?", (name,)).fetchone()
            return None if row is None else _study(row)

    def study(self, name: str) -> Study:
        """The study called `name`.

        Raises:
            UnknownNameError: There is none.
        """
        study = self.find(name)
        if study is None:
            names = [each.name for each in self.studies()]
            raise UnknownNameError("study", name, names or ["(none: the database is empty)"])
        return study

    def add(self, study: Study) -> None:
        """Stores a new study.

        Raises:
            StoreError: A study of this name exists, or the database cannot be written.
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
        with translated(self.path), self._connection:
            self._connection.execute(
                "INSERT INTO study (name, space, space_definition, objectives, constraints, settings, "
                "fingerprint, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )

    def append(self, name: str, evaluations: Iterable[Evaluation]) -> None:
        """Stores finished evaluations of the study called `name`, all or none of them.

        Raises:
            StoreError: An index or a genotype exists already (another process runs this study), or the
                database cannot be written.
        """
        rows = [
            (
                name,
                evaluation.index,
                to_text(evaluation.genotype),
                _to_json(evaluation.values),
                _to_json(evaluation.limited),
                int(evaluation.is_feasible),
                evaluation.macs,
                evaluation.params,
                evaluation.conv_blocks,
                evaluation.vit_blocks,
                evaluation.family,
                evaluation.stopped_after,
            )
            for evaluation in evaluations
        ]
        with translated(self.path), self._connection:
            self._connection.executemany(
                "INSERT INTO evaluation VALUES ((SELECT id FROM study WHERE name = ?), ?, ?, ?, ?, ?, ?, ?, "
                "?, ?, ?, ?)",
                rows,
            )

    def append_report(self, name: str, generation: int, report: GenerationReport) -> None:
        """Stores the prediction quality of a generation of the study called `name`; generations count from 1.

        Raises:
            StoreError: The generation has a report already, or the database cannot be written.
        """
        with translated(self.path), self._connection:
            self._connection.execute(
                "INSERT INTO generation VALUES ((SELECT id FROM study WHERE name = ?), ?, ?, ?)",
                (name, generation, report.source, report.rank_correlation),
            )

    def reports(self, name: str) -> list[GenerationReport]:
        """Prediction quality of each generation of the study called `name`; empty without predictions."""
        with translated(self.path):
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
        with translated(self.path):
            row = self._connection.execute(
                "SELECT count(*) FROM evaluation WHERE study = (SELECT id FROM study WHERE name = ?)", (name,)
            ).fetchone()
        return int(row[0])

    def evaluations(self, name: str) -> list[Evaluation]:
        """All evaluations of the study called `name`, in order of their index."""
        with translated(self.path):
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
        """Values of one objective that studies of this database have measured in the same way.

        Args:
            objective: Its name.
            space: Digest of the search space.
            deciding: Fingerprint of the objective. For the accuracy: hashes of checkpoint and images, and the
                settings and version of the oracle.

        Returns:
            Values by canonical genotype of the network, whatever chips a study searched with it. Bounds from
            racing are left out.
        """
        values: dict[Genotype, float] = {}
        for study in self.studies():
            if study.fingerprint["space"] != space or not _agrees(study.fingerprint, objective, deciding):
                continue
            # Its fingerprint has the objective's parts, so it is among its goals or its limits.
            column = study.quantities.index(objective)
            for evaluation in self.evaluations(study.name):
                value = (*evaluation.values, *evaluation.limited)[column]
                if value is not None and not evaluation.is_bound:
                    values[study.network(evaluation.genotype)] = value
        return values


def _agrees(fingerprint: Mapping[str, str], objective: str, deciding: Mapping[str, str]) -> bool:
    """Whether a fingerprint has these parts, under their own keys or with the prefix of the objective."""
    return all(part_of(fingerprint, objective, key) == value for key, value in deciding.items())


def open_store(path: str | Path, *, writable: bool = False) -> Store:
    """Opens an existing database, after verifying it.

    Without `writable`, neither the file nor its folder changes.

    Example:
        >>> from studies import StudySettings, open_store, run_study
        >>> settings = StudySettings(objectives=("macs", "lat"), population=4, generations=1, study="mine")
        >>> _ = run_study(settings, database="studies.db")
        >>> with open_store("studies.db") as store:
        ...     store.count("mine")
        4

    Raises:
        StoreError: The file does not exist, is damaged, no study database, or of another version.
    """
    path = Path(path)
    if not path.exists():
        raise StoreError(f"database {path} does not exist")
    if not path.is_file():
        raise StoreError(f"database {path} is not a file")
    with translated(path):
        # Verified through a read-only connection, since SQLite repairs and merges a file that it opens for
        # writing, and a damaged file must not change.
        connection = connect(path, writable=False)
        try:
            verify(path, connection)
        except BaseException:
            connection.close()
            raise
        if writable:
            connection.close()
            connection = connect(path, writable=True)
    return Store(path, connection)


def create_store(path: Path) -> Store:
    """Opens a database for writing; creates an empty one if there is none.

    Raises:
        StoreError: The folder does not exist or cannot be written, or `path` is no study database.
    """
    check_writable(path)
    if not path.exists():
        with translated(path), closing(sqlite3.connect(":memory:")) as connection:
            connection.executescript(_SCHEMA)
            publish(connection.serialize(), path)
    return open_store(path, writable=True)


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
