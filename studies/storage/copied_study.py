"""Copies of single studies: under a new name, or in a new file.

A database is append-only, so renaming a study is a copy, and dropping one is a copy of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from studies.storage.database_file import StoreError, check_writable
from studies.storage.named_study import located
from studies.storage.store import Store, create_store, open_store
from studies.storage.study_lock import study_lock
from studies.study.merged_study import Measured
from studies.study.study import Study


def copy_study(source: Store, name: str, target: Store, new_name: str) -> int:
    """Copies a study with its evaluations and reports to an open database.

    Returns:
        Number of evaluations.

    Raises:
        StoreError: The name is taken, or the database cannot be written.
        UnknownNameError: There is no such study.
    """
    study = replace(source.study(name), name=new_name)
    # Reports first: where a run goes on meanwhile, they must not be ahead of the evaluations.
    reports = source.reports(name)
    measured = source.by_software(name)
    check_free(target, new_name)
    target.add(study, measured=measured, reports=reports)
    return sum(len(evaluations) for _, evaluations in measured)


def check_free(store: Store, name: str) -> None:
    """Raises `StoreError` if the database has a study of this name."""
    if store.find(name) is not None:
        raise StoreError(f"database {store.path} has a study {name!r} already: choose another name")


def rename_study(text: str, new_name: str, database: Path) -> int:
    """Copies a study to a new name in `database`; the study itself stays.

    Args:
        text: Name of the study in `database`, or ``OTHER.db:NAME``.
        new_name: Name of the copy.
        database: File of the copy; created if `text` names another one and it does not exist.

    Returns:
        Number of evaluations.

    Raises:
        StoreError: A database is missing or damaged, the name is taken, or a process runs a study of it.
        UnknownNameError: There is no such study.
    """
    path, name = located(text, database)
    with open_store(path) as source:
        source.study(name)
        check_writable(database)
        with study_lock(database, new_name), create_store(database) as target:
            return copy_study(source, name, target, new_name)


def store_new(study: Study, measured: Sequence[Measured], database: Path) -> None:
    """Stores a finished study in `database`, which is created if it does not exist.

    Args:
        study: The study.
        measured: Its evaluations by what measured them.
        database: File of the study.

    Raises:
        StoreError: The name is taken, or the database cannot be written.
    """
    check_writable(database)
    with study_lock(database, study.name), create_store(database) as store:
        check_free(store, study.name)
        store.add(study, measured=measured)
