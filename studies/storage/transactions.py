"""Transactions of a connection to a database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Reads of one moment, although another process may be writing."""
    if connection.in_transaction:
        yield
    else:
        with transaction(connection, "DEFERRED"):
            yield


@contextmanager
def transaction(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    """Commits at the end, or rolls back on failure.

    Args:
        connection: Connection without a transaction.
        kind: ``"DEFERRED"`` to read, ``"IMMEDIATE"`` to write.
    """
    connection.execute(f"BEGIN {kind}")
    with connection:
        yield
