"""Studies and their evaluations in one SQLite file.

The file is append-only: triggers refuse to change or delete a row. A finished evaluation is durable when
`append` returns (write-ahead log, synchronous=FULL), so a killed study loses only evaluations in progress.
Values are stored as JSON texts, which hold a float64 exactly. There are no pickles.

`open_store` verifies a file before anything is written to it. It leaves a damaged or foreign file unchanged.
Every row that is read is compared with its digest (see `row_digest`). At each commit the store checks that
its file still has its name; otherwise it saves everything in another file and ends the run.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType

from search_space.command.printed_command import local_command
from search_space.errors import UnknownNameError
from studies.storage import stored_rows
from studies.storage.checked_rows import CheckedRows
from studies.storage.database_file import (
    StoreError,
    check_readable,
    check_single_name,
    check_writable,
    connect,
    problems_of,
    publish_empty,
    resolved,
    translated,
    verify,
)
from studies.storage.file_identity import FileIdentity
from studies.storage.log_files import has_log, log_files
from studies.storage.rescue import rescue
from studies.storage.row_digest import Checksum, Row, digest
from studies.storage.schema import INSERT, OF_A_STUDY, SCHEMA_VERSION, WHOLE_FILE
from studies.storage.transactions import snapshot, transaction
from studies.study.evaluation import Evaluation
from studies.study.prediction_quality import GenerationReport
from studies.study.software import Software, changes, versions_in
from studies.study.study import Study


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

    def __init__(self, path: Path, connection: sqlite3.Connection, version: int = SCHEMA_VERSION) -> None:
        self.path = path
        self._connection = connection
        self._checked = CheckedRows(connection, version)
        self._identity = FileIdentity.of(path)
        self._logs = tuple(map(FileIdentity.of, log_files(resolved(path))))
        self._software: dict[str, Software] = {}
        self._ids: dict[str, int] = {}
        self._last: dict[tuple[int, str], Checksum] = {}

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the database; the write-ahead log is merged into the file."""
        self._connection.close()

    @property
    def is_earlier(self) -> bool:
        """Whether an earlier version wrote the file; such a file is only read."""
        return self._checked.is_earlier

    @property
    def has_digests(self) -> bool:
        """Whether rows carry digests. Those of the earliest version do not."""
        return self._checked.has_digests

    def studies(self) -> list[Study]:
        """All studies, oldest first."""
        with translated(self.path), snapshot(self._connection):
            rows = self._rows("study", WHOLE_FILE)
            studies = list(map(stored_rows.read_study, rows))
        self._ids = {study.name: int(str(row[0])) for study, row in zip(studies, rows, strict=True)}
        return studies

    def find(self, name: str) -> Study | None:
        """The study called `name`, or None."""
        # Not by the index of names: a damaged index would hide a study.
        return next((study for study in self.studies() if study.name == name), None)

    def study(self, name: str) -> Study:
        """The study called `name`.

        Raises:
            UnknownNameError: There is none.
        """
        study = self.find(name)
        if study is None:
            raise UnknownNameError("study", name, [*self._ids] or ["(none: the database is empty)"])
        return study

    def add(
        self,
        study: Study,
        software: Software | None = None,
        *,
        measured: Sequence[tuple[Software, Sequence[Evaluation]]] = (),
        reports: Sequence[GenerationReport] = (),
    ) -> None:
        """Stores a new study, whole or not at all.

        Args:
            study: The study; its name is new.
            software: What measures it; by default the versions in its fingerprint.
            measured: Evaluations of a copy, as `by_software` returns them, in place of `software`.
            reports: Prediction quality of the generations of a copy, in order.

        Raises:
            StoreError: A study of this name exists, or the database cannot be written.
        """
        first = versions_in(study.fingerprint) if software is None else software

        def change(store: Store) -> None:
            study_id = store._checked.checksum(WHOLE_FILE, "study").count + 1
            store._insert("study", WHOLE_FILE, [stored_rows.study_row(study_id, study)])
            store._connection.executemany(
                "INSERT INTO checksum VALUES (?, ?, 0, zeroblob(16))",
                [(study_id, table) for table in OF_A_STUDY],
            )
            for number, (each, rows) in enumerate(measured or [(first, ())]):
                store._insert("software", study_id, [stored_rows.software_row(study_id, number, each)])
                copied = [(*stored_rows.evaluation_row(study_id, row), number) for row in rows]
                store._insert("evaluation", study_id, copied)
            numbered = enumerate(reports, start=1)
            store._insert(
                "generation", study_id, [stored_rows.report_row(study_id, *one) for one in numbered]
            )

        self._write(change)

    def use(self, name: str, software: Software) -> None:
        """Says what measures further evaluations of the study called `name`; until then its first software.

        It is stored together with the first of these evaluations.
        """
        self._software[name] = dict(software)

    def append(self, name: str, evaluations: Iterable[Evaluation]) -> None:
        """Stores finished evaluations of the study called `name`, all or none of them.

        Raises:
            StoreError: An index or a genotype exists already (another process runs this study), or the
                database cannot be written, or its file was removed or replaced.
        """
        finished = list(evaluations)
        software = self._software.get(name)

        def change(store: Store) -> None:
            study_id = store._id(name)
            number = 0 if software is None else store._software_number(study_id, software)
            rows = [(*stored_rows.evaluation_row(study_id, evaluation), number) for evaluation in finished]
            store._insert("evaluation", study_id, rows)

        self._write(change)

    def append_report(self, name: str, generation: int, report: GenerationReport) -> None:
        """Stores the prediction quality of a generation of the study called `name`; generations count from 1.

        Raises:
            StoreError: The generation has a report already, or the database cannot be written.
        """

        def change(store: Store) -> None:
            study_id = store._id(name)
            store._insert("generation", study_id, [stored_rows.report_row(study_id, generation, report)])

        self._write(change)

    def check_in_place(self) -> None:
        """Checks that the file of the store still has its name.

        Raises:
            StoreError: It was removed, renamed or replaced; its studies are in another file, which the
                message names.
        """
        if FileIdentity.of(self.path) != self._identity:
            with translated(self.path):
                self._rescue(None)

    def problems(self) -> list[str]:
        """Damage that reading the studies alone would not show: broken indices, rows of no study."""
        with translated(self.path), snapshot(self._connection):
            return problems_of(self._connection, self._checked.columns)

    def reports(self, name: str) -> list[GenerationReport]:
        """Prediction quality of each generation of the study called `name`; empty without predictions."""
        return list(map(stored_rows.read_report, self._rows_of(name, "generation")))

    def count(self, name: str) -> int:
        """Number of evaluations of the study called `name`."""
        study_id = self._known_id(name)
        if study_id is None:
            return 0
        with translated(self.path), snapshot(self._connection):
            return self._checked.count("evaluation", study_id)

    def evaluations(self, name: str, *, made_with: Software | None = None) -> list[Evaluation]:
        """Evaluations of the study called `name`, in order of their index.

        Args:
            name: Name of the study.
            made_with: Only evaluations that were made with this software; by default all.
        """
        rows = self._rows_of(name, "evaluation")
        if made_with is not None:
            recorded = self._recorded_software(name)
            same = {number for number, theirs in enumerate(recorded) if not changes(theirs, made_with)}
            rows = [row for row in rows if self._software_of(row) in same]
        with translated(self.path):
            return list(map(stored_rows.read_evaluation, rows))

    def software(self, name: str) -> list[tuple[Software, int]]:
        """What measured the study called `name`, each with its number of evaluations; the first one first."""
        with translated(self.path), snapshot(self._connection):
            recorded = self._recorded_software(name)
            counts = Counter(map(self._software_of, self._rows_of(name, "evaluation")))
        return [(software, counts[number]) for number, software in enumerate(recorded)]

    def by_software(self, name: str) -> list[tuple[Software, list[Evaluation]]]:
        """Evaluations of the study called `name` by what measured them; the first one first."""
        with translated(self.path), snapshot(self._connection):
            recorded = self._recorded_software(name)
            rows = self._rows_of(name, "evaluation")
            return [
                (each, [stored_rows.read_evaluation(row) for row in rows if self._software_of(row) == number])
                for number, each in enumerate(recorded)
            ]

    def _known_id(self, name: str) -> int | None:
        """Number of the study called `name`; None if there is none."""
        if name not in self._ids:
            self.studies()
        return self._ids.get(name)

    def _id(self, name: str) -> int:
        if (study_id := self._known_id(name)) is None:
            raise StoreError(f"database {self.path} holds no study {name!r}; was it replaced during the run?")
        return study_id

    def _recorded_software(self, name: str) -> list[Software]:
        """What measured the study called `name`, by number."""
        if self.is_earlier:
            return [versions_in(self.study(name).fingerprint)]
        rows = self._rows_of(name, "software")
        with translated(self.path):
            return list(map(stored_rows.read_software, rows))

    def _software_of(self, row: Row) -> int:
        """Number of the software that measured the evaluation in a row."""
        return 0 if self.is_earlier else int(str(row[-1]))

    def _software_number(self, study_id: int, software: Software) -> int:
        """Number of the software, stored now if it is new; within a transaction."""
        recorded = list(map(stored_rows.read_software, self._rows("software", study_id)))
        if software in recorded:
            return recorded.index(software)
        row = stored_rows.software_row(study_id, len(recorded), software)
        self._insert("software", study_id, [row])
        return len(recorded)

    def _rows_of(self, name: str, table: str) -> list[Row]:
        """Checked rows of a table that belong to the study called `name`; none if there is no such study."""
        study_id = self._known_id(name)
        if study_id is None:
            return []
        with translated(self.path), snapshot(self._connection):
            return self._rows(table, study_id)

    def _rows(self, table: str, study_id: int) -> list[Row]:
        """Checked rows of one study, or all rows of `study`, in order."""
        contents = self._checked.rows(table, study_id)
        if self.has_digests:
            self._last[study_id, table] = self._checked.checksum(study_id, table)
        return contents

    def _insert(self, table: str, study_id: int, rows: list[Row]) -> None:
        """Inserts rows with their digests, within a transaction."""
        before = self._checked.checksum(study_id, table)
        if table != "study" and self._last.get((study_id, table), before) != before:
            raise StoreError(
                f"database {self.path}: another process wrote to study {study_id} or changed its rows; end "
                f"it, check the file with `{local_command('studies.verify', [str(self.path.absolute())])}`, "
                f"and repeat the command"
            )
        digests = list(map(digest, rows))
        self._connection.executemany(
            INSERT[table], [(*row, own) for row, own in zip(rows, digests, strict=True)]
        )
        after = before.with_rows(digests)
        self._connection.execute(
            "UPDATE checksum SET count = ?, total = ? WHERE study = ? AND of_table = ?",
            (after.count, after.total, study_id, table),
        )
        self._last[study_id, table] = after

    def _write(self, change: Callable[[Store], None]) -> None:
        """Applies a change in one transaction, unless the file is no longer the one that was opened."""
        with translated(self.path):
            if FileIdentity.of(self.path) != self._identity:
                self._rescue(change)
            last = dict(self._last)
            try:
                with transaction(self._connection, "IMMEDIATE"):
                    change(self)
            except BaseException:
                self._last = last
                raise
            if FileIdentity.of(self.path) != self._identity:
                self._rescue(None)

    def _rescue(self, change: Callable[[Store], None] | None) -> None:
        """Saves the studies, and a change that is not stored yet, in another file.

        Raises:
            StoreError: Always; the message names the file.
        """

        def complete(copy: Path) -> None:
            if change is not None:
                with open_store(copy, writable=True) as store, transaction(store._connection, "IMMEDIATE"):
                    change(store)

        rescue(self.path, self._connection, self._logs, complete)


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
    if writable:
        check_single_name(path)
    check_readable(path)
    with translated(path):
        # Verified through a read-only connection, since SQLite repairs and merges a file that it opens for
        # writing, and a damaged file must not change.
        connection = connect(path, writable=False)
        try:
            version = verify(path, connection)
            if writable and version != SCHEMA_VERSION:
                raise StoreError(
                    f"database {path} was written by an earlier version, which stored less about each row: "
                    f"convert it with `{local_command('studies.migrate', [str(path.absolute())])}`, then "
                    f"repeat the command"
                )
            if writable and has_log(resolved(path)):
                # SQLite merges a log into the file, also one that an earlier file of this name left there.
                with snapshot(connection):
                    CheckedRows(connection).check_all()
        except BaseException:
            connection.close()
            raise
        if writable:
            connection.close()
            connection = connect(path, writable=True)
    return Store(path, connection, version)


def create_store(path: Path) -> Store:
    """Opens a database for writing; creates an empty one if there is none.

    Raises:
        StoreError: The folder does not exist or cannot be written, or `path` is no study database.
    """
    check_writable(path)
    if not path.exists():
        publish_empty(path)
    return open_store(path, writable=True)
