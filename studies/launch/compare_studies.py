"""Comparison of two studies in Python."""

from __future__ import annotations

from search_space.errors import H4HError
from studies.analysis.comparison import Pair, compare
from studies.analysis.contenders import Contender
from studies.launch.run_study import LoadedStudy


def compare_studies(first: LoadedStudy, second: LoadedStudy) -> Pair:
    """Compares the second study with the first, by their common objectives.

    Example:
        >>> from studies import StudySettings, compare_studies, run_study
        >>> settings = {"objectives": ("macs", "lat"), "population": 6, "generations": 2}
        >>> first = run_study(StudySettings(**settings, study="first"), database="studies.db")
        >>> second = run_study(StudySettings(**settings, seed=1, study="second"), database="studies.db")
        >>> pair = compare_studies(first, second)
        >>> pair.objectives, pair.evaluations
        (('macs', 'lat'), 12)

    Args:
        first: The study to compare with.
        second: The study whose gains are computed.

    Returns:
        Hypervolumes in one common box, coverage, and gains at equal accuracy or cost.

    Raises:
        ComparisonError: The studies have no common objective.
        H4HError: A study has no evaluations.
    """
    for study in (first, second):
        if not study.measured:
            raise H4HError(f"study {study.name!r} has no evaluations yet: run it first")
    contenders = [Contender(study.name, study.study, study.measured) for study in (first, second)]
    return compare(contenders[0], contenders[1])
