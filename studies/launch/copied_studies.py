"""Copies of studies in Python: under a new name, or in a new file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from studies.launch.run_study import LoadedStudy, load_study
from studies.storage import copied_study
from studies.storage.backup import backup
from studies.study.study_name import check_study_name


def rename_study(name: str, new_name: str, *, database: str | Path) -> LoadedStudy:
    """Copies a study to a new name and returns the copy. The study itself stays: a database is append-only.

    Example:
        >>> from studies import StudySettings, rename_study, run_study
        >>> settings = StudySettings(objectives=("macs", "lat"), population=6, generations=1, study="old")
        >>> run_study(settings, database="studies.db").name
        'old'
        >>> rename_study("old", "new", database="studies.db").resume(generations=2)
        <study 'new': 12 evaluations of macs, lat over space cifar32, front of ...>

    Args:
        name: Name of the study in `database`, or ``OTHER.db:NAME``.
        new_name: Name of the copy.
        database: File of the copy.

    Raises:
        StoreError: A database is missing or damaged, the name is taken, or a process runs a study of it.
        UnknownNameError: There is no such study.
    """
    check_study_name(new_name, "new_name")
    copied_study.rename_study(name, new_name, Path(database))
    return load_study(database, new_name)


def backup_studies(database: str | Path, copy: str | Path, *, studies: Sequence[str] = ()) -> int:
    """Copies a database, or some of its studies, to a new file; also while a study runs.

    To drop a study, copy the others.

    Example:
        >>> from studies import StudySettings, backup_studies, open_store, run_study
        >>> for name in ("a", "b"):
        ...     settings = StudySettings(objectives=("macs", "lat"), population=6, generations=1, study=name)
        ...     study = run_study(settings, database="studies.db")
        >>> backup_studies("studies.db", "copy.db", studies=["b"])
        6
        >>> with open_store("copy.db") as store:
        ...     [study.name for study in store.studies()]
        ['b']

    Args:
        database: File of the studies.
        copy: File to write; must not exist.
        studies: Names of the studies to copy; all without any.

    Returns:
        Number of evaluations in the copy.

    Raises:
        StoreError: A file is missing, damaged or there already, or cannot be written.
        UnknownNameError: There is no such study.
    """
    return backup(Path(database), Path(copy), studies)
