"""Merged study: the evaluations of several runs of one problem as a single study.

Runs of one problem differ in what proposes networks: seed, sampler, population, first generation, and the
machine. Everything that a value depends on is equal. So their evaluations are rows of one table, and one
front. The evaluations stand in the order in which they would exist if the runs had gone on side by side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from search_space.errors import H4HError
from search_space.files.setting_differences import differing
from search_space.genotype import Genotype
from studies.study.evaluation import Evaluation
from studies.study.fingerprint import short
from studies.study.sampler_rules import RULES
from studies.study.software import Software, is_version
from studies.study.study import Study
from studies.study.warm_start_sources import CARRIED, WARM_START

MERGED = "merged"
"""Sampler of a merged study."""
MERGED_FROM = "merged_from"
"""Key of a merged study's settings, and of its fingerprint, for the runs that it holds."""
TOLERANCE = 1e-9
"""Relative difference of equal values that another CPU may cause in a sum of floats."""

_OF_THE_SEARCH = ("sampler", "population", "seed", "preferences", WARM_START, "first generation", RULES)
_OF_OWN_SAMPLERS = "sampler_"

Measured = tuple[Software, Sequence[Evaluation]]
"""Evaluations, and the software that measured them."""


class MergeError(H4HError):
    """Studies that cannot become one, or a merged study that cannot be resumed."""


@dataclass(frozen=True)
class Run:
    """A study to merge.

    Attributes:
        label: What the user called it.
        study: The study.
        measured: Its evaluations by software, as `Store.by_software` returns them.
    """

    label: str
    study: Study
    measured: tuple[Measured, ...]

    @property
    def evaluations(self) -> list[Evaluation]:
        """All its evaluations, in order."""
        return sorted((row for _, rows in self.measured for row in rows), key=lambda row: row.index)

    @property
    def sources(self) -> list[str]:
        """Name, seed and sampler of the runs that it holds; one unless it was merged itself."""
        if MERGED_FROM in self.study.settings:
            return list(self.study.settings[MERGED_FROM])
        parts = self.study.fingerprint
        return [f"{self.study.name} (seed {parts.get('seed')}, {parts.get('sampler')})"]


@dataclass(frozen=True)
class Merged:
    """A merged study, not yet stored.

    Attributes:
        study: The study.
        measured: Its evaluations by software, each network once.
        repeated: Number of evaluations left out, since another run had measured the network.
        notes: What the user should know: values and versions that differ between runs.
    """

    study: Study
    measured: tuple[Measured, ...]
    repeated: int
    notes: tuple[str, ...]

    @property
    def evaluations(self) -> list[Evaluation]:
        """All its evaluations, in order."""
        return sorted((row for _, rows in self.measured for row in rows), key=lambda row: row.index)


def merge(name: str, runs: Sequence[Run]) -> Merged:
    """One study of the evaluations of all runs.

    A network that several runs measured keeps its earliest exact values. An upper bound from racing gives way
    to an exact value.

    Args:
        name: Name of the new study.
        runs: Two or more studies of the same problem.

    Raises:
        MergeError: There is one run only, one is empty or given twice, or runs differ in something that their
            values depend on.
    """
    _check(runs)
    first = runs[0].study
    measured, notes = _joined(runs)
    sources = [source for run in runs for source in run.sources]
    parts = [run.study.fingerprint for run in runs]
    shared = {key: text for key, text in parts[0].items() if all(each.get(key) == text for each in parts)}
    settings = {**first.settings, "sampler": MERGED, "warm_start": [], MERGED_FROM: sources, CARRIED: []}
    study = replace(
        first,
        name=name,
        settings=settings,
        fingerprint={
            **shared,
            "sampler": MERGED,
            "seed": ",".join(each.get("seed", "") for each in parts),
            MERGED_FROM: ", ".join(sources),
        },
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    count = sum(len(rows) for _, rows in measured)
    repeated = sum(len(run.evaluations) for run in runs) - count
    return Merged(study, measured, repeated, (*_version_notes(runs), *notes))


def check_resumable(study: Study) -> None:
    """Refuses to resume a merged study, which no sampler has proposed.

    Raises:
        MergeError: The study was merged.
    """
    if MERGED_FROM in study.settings:
        raise MergeError(
            f"study {study.name!r} was merged from {', '.join(study.settings[MERGED_FROM])}, so it has no "
            f"search to resume: resume one of those and merge again, or begin a new study with --warm-start "
            f"{study.name} --all"
        )


def _check(runs: Sequence[Run]) -> None:
    labels = [run.label for run in runs]
    if len(runs) < 2:
        raise MergeError(f"a merged study needs two studies or more, but got {', '.join(labels) or 'none'}")
    for run in runs:
        if labels.count(run.label) > 1:
            raise MergeError(f"study {run.label!r} is named twice: name different ones")
        if not run.evaluations:
            raise MergeError(f"study {run.label!r} has no evaluations yet: run it, or leave it out")
    for run in runs[1:]:
        if differences := _differences(runs[0].study, run.study):
            raise MergeError(
                f"studies {runs[0].label!r} and {run.label!r} cannot become one, since their values are not "
                f"comparable: {'; '.join(differences)}. Merge studies that differ in seed, sampler and "
                f"machine only, or set these side by side with `python -m studies.compare`"
            )


def _differences(first: Study, other: Study) -> list[str]:
    """What values, limits or bounds depend on and differs, in words."""
    ours, theirs = first.fingerprint, other.fingerprint
    found = [
        f"{key} {short(ours.get(key))} -> {short(theirs.get(key))}"
        for key in differing(ours, theirs)
        if key not in (*_OF_THE_SEARCH, MERGED_FROM)
        and not key.startswith(_OF_OWN_SAMPLERS)
        and not is_version(key)
    ]
    corners = zip((*first.ideal, *first.reference), (*other.ideal, *other.reference), strict=False)
    if not found and not all(math.isclose(a, b, rel_tol=TOLERANCE) for a, b in corners):
        found.append("bounds of the hypervolume")
    return found


def _joined(runs: Sequence[Run]) -> tuple[tuple[Measured, ...], list[str]]:
    """All evaluations with new numbers, each network once, and notes on values that differ."""
    rows = [
        (evaluation, software)
        for run in runs
        for evaluation, software in sorted(
            ((row, software) for software, rows in run.measured for row in rows),
            key=lambda pair: pair[0].index,
        )
    ]
    rows.sort(key=lambda pair: pair[0].index)  # Stable, so the first run comes first.
    kept: dict[Genotype, tuple[Evaluation, Software]] = {}
    gaps: dict[str, list[float]] = {}
    for evaluation, software in rows:
        earlier, _ = kept.setdefault(evaluation.genotype, (evaluation, software))
        if earlier.is_bound and not evaluation.is_bound:
            kept[evaluation.genotype] = (evaluation, software)
        elif not evaluation.is_bound and not earlier.is_bound:
            for name, gap in _gaps(runs[0].study, earlier, evaluation):
                gaps.setdefault(name, []).append(gap)
    notes = [
        f"{name} of {len(found)} network{'s' * (len(found) != 1)} differs between studies, by up to "
        f"{max(found):.3g}; the value that was measured first is kept"
        for name, found in gaps.items()
    ]
    return _by_software(kept.values()), notes


def _by_software(rows: Iterable[tuple[Evaluation, Software]]) -> tuple[Measured, ...]:
    """Evaluations with their new numbers, by software."""
    groups: list[tuple[Software, list[Evaluation]]] = []
    for index, (evaluation, software) in enumerate(rows):
        group = next((found for known, found in groups if known == software), None)
        if group is None:
            group = []
            groups.append((software, group))
        group.append(replace(evaluation, index=index))
    return tuple(groups)


def _gaps(study: Study, first: Evaluation, other: Evaluation) -> Iterator[tuple[str, float]]:
    """Quantities whose values differ, and by how much."""
    pairs = zip((*first.values, *first.limited), (*other.values, *other.limited), strict=True)
    for name, (one, two) in zip(study.quantities, pairs, strict=True):
        if one is not None and two is not None and not math.isclose(one, two, rel_tol=TOLERANCE):
            yield name, abs(one - two)


def _version_notes(runs: Sequence[Run]) -> list[str]:
    """A note on each library, or kind of processor, that differs between evaluations."""
    recorded = [software for run in runs for software, rows in run.measured if rows]
    notes = []
    for name in dict.fromkeys(name for software in recorded for name in software):
        versions = dict.fromkeys(software[name] for software in recorded if name in software)
        if len(versions) > 1:
            notes.append(f"evaluations were made with {name} {' and '.join(versions)}")
    return notes
