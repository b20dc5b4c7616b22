"""Merge of studies in Python: several runs of one problem as one stored study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from studies.launch.run_study import LoadedStudy, load_study
from studies.storage.copied_study import store_new
from studies.storage.store import open_store
from studies.study.merged_study import Run, merge
from studies.study.study_name import check_study_name


def merge_studies(studies: Sequence[LoadedStudy], *, into: str, database: str | Path) -> LoadedStudy:
    """Stores the evaluations of several studies as one study, whose front is that of all of them.

    Example:
        >>> from studies import StudySettings, merge_studies, run_study
        >>> settings = {"objectives": ("macs", "lat"), "population": 6, "generations": 2}
        >>> runs = [
        ...     run_study(StudySettings(**settings, seed=seed, study=f"s{seed}"), database="studies.db")
        ...     for seed in (0, 1)
        ... ]
        >>> both = merge_studies(runs, into="both", database="studies.db")
        >>> both.hypervolume >= max(run.hypervolume for run in runs)
        True

    Args:
        studies: Studies of the same space, objectives, limits, chip and weights, from any database.
        into: Name of the new study.
        database: File of the new study; created if it does not exist.

    Raises:
        MergeError: The studies differ in something that their values depend on.
        StoreError: The name is taken, or the database cannot be written.
    """
    check_study_name(into, "into")
    merged = merge(into, list(map(_run, studies)))
    store_new(merged.study, merged.measured, Path(database))
    return load_study(database, into)


def _run(loaded: LoadedStudy) -> Run:
    """A study with what measured its evaluations, which the database knows."""
    indices = {evaluation.index for evaluation in loaded.measured}
    with open_store(loaded.database) as store:
        measured = [
            (software, [row for row in rows if row.index in indices])
            for software, rows in store.by_software(loaded.name)
        ]
    return Run(f"{loaded.database}:{loaded.name}", loaded.study, tuple(measured))
