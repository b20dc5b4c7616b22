"""Merged study: the evaluations of several runs of one problem as a single study.

Runs of one problem differ in what proposes networks: seed, sampler, population, first generation, and the
machine. Everything that a value depends on is equal. So their evaluations are rows of one table, and one
front. The evaluations stand in the order in which they would exist if the runs had gone on side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from search_space.errors import H4HError
from search_space.files.setting_differences import differing
from search_space.genotype import Genotype
from studies.study.evaluation import Evaluation
from studies.study.fingerprint import short
from studies.study.study import Study
from studies.study.warm_start_sources import CARRIED, WARM_START

MERGED = "merged"
"""Sampler of a merged study."""
MERGED_FROM = "merged_from"
"""Key of a merged study's settings, and of its fingerprint, for the runs that it holds."""
TOLERANCE = 1e-9
"""Relative difference of equal values that another CPU may cause in a sum of floats."""

_OF_THE_SEARCH = ("sampler", "population", "seed", "preferences", WARM_START, "first generation")
_OF_OWN_SAMPLERS = "sampler_"
_OF_LIBRARIES = "version of "


class MergeError(H4HError):
    """Studies that cannot become one, or a merged study that cannot be resumed."""


@dataclass(frozen=True)
class Run:
    """A study to merge.

    Attributes:
        label: What the user called it.
        study: The study.
        evaluations: Its evaluations, in order.
    """

    label: str
    study: Study
    evaluations: tuple[Evaluation, ...]

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
        evaluations: Its evaluations, each network once.
        repeated: Number of evaluations left out, since another run had measured the network.
        notes: What the user should know: values and versions that differ between runs.
    """

    study: Study
    evaluations: tuple[Evaluation, ...]
    repeated: int
    notes: tuple[str, ...]


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
    evaluations, notes = _joined(runs)
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
    repeated = sum(len(run.evaluations) for run in runs) - len(evaluations)
    return Merged(study, evaluations, repeated, (*_version_notes(runs), *notes))


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
        if key not in (*_OF_THE_SEARCH, MERGED_FROM) and not key.startswith((_OF_OWN_SAMPLERS, _OF_LIBRARIES))
    ]
    corners = zip((*first.ideal, *first.reference), (*other.ideal, *other.reference), strict=False)
    if not found and not all(math.isclose(a, b, rel_tol=TOLERANCE) for a, b in corners):
        found.append("bounds of the hypervolume")
    return found


def _joined(runs: Sequence[Run]) -> tuple[tuple[Evaluation, ...], list[str]]:
    """All evaluations with new numbers, each network once, and a note on values that differ."""
    order = sorted(
        ((evaluation.index, place) for place, run in enumerate(runs) for evaluation in run.evaluations)
    )
    rows = [{evaluation.index: evaluation for evaluation in run.evaluations} for run in runs]
    kept: dict[Genotype, Evaluation] = {}
    gaps: dict[str, list[float]] = {}
    for index, place in order:
        evaluation = rows[place][index]
        earlier = kept.setdefault(evaluation.genotype, evaluation)
        if earlier.is_bound and not evaluation.is_bound:
            kept[evaluation.genotype] = evaluation
        elif not evaluation.is_bound and not earlier.is_bound:
            for name, one, other in zip(
                runs[0].study.quantities,
                (*earlier.values, *earlier.limited),
                (*evaluation.values, *evaluation.limited),
                strict=True,
            ):
                if one is not None and other is not None and not math.isclose(one, other, rel_tol=TOLERANCE):
                    gaps.setdefault(name, []).append(abs(one - other))
    numbered = tuple(replace(evaluation, index=index) for index, evaluation in enumerate(kept.values()))
    return numbered, [
        f"{name} of {len(found)} network{'s' * (len(found) != 1)} differs between studies, by up to "
        f"{max(found):.3g}; the value that was measured first is kept"
        for name, found in gaps.items()
    ]


def _version_notes(runs: Sequence[Run]) -> list[str]:
    """Notes on versions of libraries that differ between runs and are no sampler's alone."""
    notes = []
    for key in ("version of h4h-nas", "version of numpy"):
        versions = dict.fromkeys(run.study.fingerprint.get(key, "absent") for run in runs)
        if len(versions) > 1:
            notes.append(f"the studies were made with different versions ({key}: {', '.join(versions)})")
    return notes
