"""Rows of a database, compared with their digests and with the checksum of their study."""

from __future__ import annotations

import sqlite3

from studies.storage.row_digest import Checksum, DigestError, Row, checked
from studies.storage.schema import (
    COLUMNS,
    EARLIER_COLUMNS,
    SCHEMA_VERSION,
    WHOLE_FILE,
    WITHOUT_DIGESTS,
)


class CheckedRows:
    """Reads rows through a connection; every row is compared with its digest.

    Attributes:
        is_earlier: Whether an earlier version wrote the file.
        has_digests: Whether rows carry digests. Those of the earliest version do not.
        columns: Columns by table that a digest covers.
    """

    def __init__(self, connection: sqlite3.Connection, version: int = SCHEMA_VERSION) -> None:
        self._connection = connection
        self.is_earlier = version != SCHEMA_VERSION
        self.has_digests = version != WITHOUT_DIGESTS
        self.columns = EARLIER_COLUMNS if self.is_earlier else COLUMNS

    def rows(self, table: str, study_id: int) -> list[Row]:
        """Rows of one study, or all rows of `study`, in order.

        Raises:
            DigestError: They are not what was stored.
        """
        columns = ", ".join(self.columns[table] + (("digest",) if self.has_digests else ()))
        where, order = ("", "id") if table == "study" else ("WHERE study = ?", "number")
        rows: list[Row] = self._connection.execute(
            f"SELECT {columns} FROM {table} {where} ORDER BY {order}", (study_id,) if where else ()
        ).fetchall()
        if not self.has_digests:
            return rows
        label = "studies" if table == "study" else f"{table}s of study {study_id}"
        place = 0 if table == "study" else 1
        return checked(rows, self.checksum(study_id, table), label=label, number=lambda row: row[place])

    def count(self, table: str, study_id: int) -> int:
        """Number of rows of one study.

        Raises:
            DigestError: It is not the number that was stored.
        """
        # Not by the index of genotypes, which may be damaged by itself.
        (count,) = self._connection.execute(
            f"SELECT count(*) FROM {table} NOT INDEXED WHERE study = ?", (study_id,)
        ).fetchone()
        if self.has_digests and count != (stored := self.checksum(study_id, table).count):
            raise DigestError(f"{stored} {table}s were stored, but {count} are there")
        return int(count)

    def checksum(self, study_id: int, table: str) -> Checksum:
        """The stored checksum over the rows of a study in one table."""
        row = self._connection.execute(
            "SELECT count, total FROM checksum WHERE study = ? AND of_table = ?", (study_id, table)
        ).fetchone()
        if row is None:
            raise ValueError(f"the checksum over {table} of study {study_id} is missing")
        return Checksum(row[0], row[1])

    def check_all(self) -> None:
        """Compares all rows of the database with their digests.

        Raises:
            DigestError: Some are not what was stored.
            ValueError: A checksum is missing.
        """
        for row in self.rows("study", WHOLE_FILE):
            for table in self.columns:
                if table != "study":
                    self.rows(table, int(str(row[0])))
