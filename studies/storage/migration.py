"""Migration: give the rows of an earlier database what the current version stores about each."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from studies.storage import stored_rows
from studies.storage.database_file import check_single_name, check_writable, connect, translated
from studies.storage.row_digest import Checksum, Row, digest
from studies.storage.schema import EARLIER_COLUMNS, INSERT, OF_A_STUDY, STATEMENTS, WHOLE_FILE
from studies.storage.store import open_store
from studies.study.software import versions_in

_READ = {
    "study": stored_rows.read_study,
    "evaluation": stored_rows.read_evaluation,
    "generation": stored_rows.read_report,
}


def migrate(path: Path) -> bool:
    """Converts a database of an earlier version in place, in one transaction.

    Its rows stay the same. If the conversion is cut short, the file is as it was. Its evaluations count as
    measured with the versions of libraries in the fingerprint of their study.

    Returns:
        False if the database has the current version already.

    Raises:
        StoreError: The file is missing or damaged, cannot be written, or another process is writing to it.
    """
    with open_store(path) as store:
        if not store.is_earlier:
            return False
        for study in store.studies():  # Compares rows with their digests, if they have any.
            store.evaluations(study.name)
            store.reports(study.name)
    check_writable(path)
    check_single_name(path)
    with translated(path), closing(connect(path, writable=True)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            _convert(connection)
    return True


def _convert(connection: sqlite3.Connection) -> None:
    rows = {table: _rows(connection, table) for table in EARLIER_COLUMNS}
    for table in ("generation", "evaluation", "study"):
        connection.execute(f"DROP TABLE {table}")
    connection.execute("DROP TABLE IF EXISTS checksum")
    for statement in STATEMENTS:
        connection.execute(statement)
    for table, contents in rows.items():
        for row in contents:
            _READ[table](row)  # A row that cannot be read ends the conversion.
    rows["evaluation"] = [(*row, 0) for row in rows["evaluation"]]
    rows["software"] = [
        stored_rows.software_row(int(str(row[0])), 0, versions_in(stored_rows.read_study(row).fingerprint))
        for row in rows["study"]
    ]
    sums = {(WHOLE_FILE, "study"): Checksum()}
    for row in rows["study"]:
        sums |= {(int(str(row[0])), table): Checksum() for table in OF_A_STUDY}
    for table, contents in rows.items():
        for row in contents:
            own = digest(row)
            connection.execute(INSERT[table], (*row, own))
            key = WHOLE_FILE if table == "study" else int(str(row[0]))
            sums[key, table] = sums[key, table].with_rows([own])
    connection.executemany(
        "INSERT OR REPLACE INTO checksum VALUES (?, ?, ?, ?)",
        [(study, table, total.count, total.total) for (study, table), total in sums.items()],
    )


def _rows(connection: sqlite3.Connection, table: str) -> list[Row]:
    order = "id" if table == "study" else "study, number"
    columns = ", ".join(EARLIER_COLUMNS[table])
    return connection.execute(f"SELECT {columns} FROM {table} ORDER BY {order}").fetchall()
