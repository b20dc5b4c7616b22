"""Cache of measured values in one SQLite file, so that an interrupted benchmark resumes."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from search_space.errors import H4HError
from search_space.files.cache_folder import VARIABLE

PATIENCE_S = 60.0
"""Seconds to wait for another benchmark that writes to the same file."""


class KeptValues:
    """Stored values by name, for one set of conditions.

    Args:
        file: SQLite file, which may hold values of other conditions too; created if missing.
        decides: Everything that the values depend on except their names. Other conditions have their own
            values.

    Raises:
        H4HError: The file cannot be used, as in `read` and `write`.
    """

    def __init__(self, file: Path, decides: Mapping[str, Any]) -> None:
        self._file = file
        self._about = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
        self.read()  # Fails before anything is measured.

    def read(self) -> dict[str, Any]:
        """All stored values."""
        with self._opened() as connection:
            rows = connection.execute("SELECT name, value FROM kept WHERE about = ?", (self._about,))
            return {name: json.loads(value) for name, value in rows}

    def write(self, values: Mapping[str, Any]) -> None:
        """Stores `values`, each as JSON, durably."""
        with self._opened() as connection:
            rows = [(self._about, name, json.dumps(value)) for name, value in values.items()]
            connection.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", rows)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._file, timeout=PATIENCE_S)) as connection, connection:
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS kept "
                    "(about TEXT, name TEXT, value TEXT, PRIMARY KEY (about, name)) WITHOUT ROWID"
                )
                yield connection
        except (OSError, ValueError, sqlite3.Error) as error:
            raise H4HError(
                f"what benchmarks keep in {self._file} cannot be used: {error}; delete it, name another "
                f"file, or set {VARIABLE} to a folder that can be written"
            ) from error
