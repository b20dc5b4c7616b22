"""Settings of a study as a paragraph to quote in a paper. It says only what the study recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from studies.study.evaluation import Evaluation
from studies.study.fingerprint import short
from studies.study.merged_study import MERGED_FROM
from studies.study.study import Goal, Study
from studies.study.warm_start_sources import stored_sources

_VERSIONS = {"version of h4h-nas": "H4H-NAS", "version of numpy": "NumPy", "torch": "torch"}
"""Entries of a fingerprint that are versions to name."""


def settings_paragraph(study: Study, evaluations: Sequence[Evaluation]) -> str:
    """Sentences on space, objectives, chip, search, accuracy and versions.

    Args:
        study: The study.
        evaluations: All of its evaluations.
    """
    sentences = [
        f"We searched the space {study.space} ({study.search_space.cardinality:.3g} designs) for "
        f"{_joined(list(map(_goal, study.goals)))}{_limits(study)}",
        _chip(study),
        _search(study, evaluations),
        _result(study, evaluations),
        _accuracy(study.fingerprint),
        _versions(study.fingerprint),
    ]
    return " ".join(f"{sentence}." for sentence in sentences if sentence)


def _goal(goal: Goal) -> str:
    return f"{'high' if goal.direction == 'max' else 'low'} {goal.name} (in {goal.unit})"


def _limits(study: Study) -> str:
    return f", within the limits {_joined(study.constraints)}" if study.constraints else ""


def _chip(study: Study) -> str:
    parts = study.fingerprint
    if "hardware" not in parts:
        return ""
    searched = f", searched over {study.chips}" if study.chips.genes else ""
    mapping = f", each network mapped for {parts['mapping']}" if parts.get("mapping") else ""
    version = f" by version {parts['cost_model']} of the cost model" if parts.get("cost_model") else ""
    return f"Costs are those of the chip {parts['hardware']}{version}{searched}{mapping}"


def _search(study: Study, evaluations: Sequence[Evaluation]) -> str:
    settings, parts = study.settings, study.fingerprint
    if MERGED_FROM in settings:
        return f"The study joins {_joined(settings[MERGED_FROM])}: {len(evaluations)} evaluations"
    sampler, population = parts.get("sampler"), parts.get("population")
    if sampler is None or population is None:
        return f"The study has {len(evaluations)} evaluations"
    sources = stored_sources(settings)
    begins = f", its first generation taken from {_joined(sources)}" if sources else ""
    return (
        f"The sampler {sampler} proposed {population} networks per generation with seed {parts.get('seed')}"
        f"{begins}: {len(evaluations)} evaluations"
    )


def _result(study: Study, evaluations: Sequence[Evaluation]) -> str:
    corners = [
        f"{goal.name} {best:.4g} to {worst:.4g} {goal.unit}"
        for goal, best, worst in zip(study.goals, study.ideal, study.reference, strict=True)
    ]
    front = study.front(evaluations)
    return (
        f"The front has {len(front)} of them and a hypervolume of {study.hypervolume(front):.4f} between "
        f"{_joined(corners)}, costs on a {study.scale} scale"
    )


def _accuracy(parts: Mapping[str, str]) -> str:
    needed = ("val_images", "calibration_images", "precision", "checkpoint")
    if any(name not in parts for name in needed):
        return ""
    return (
        f"Accuracy is top-1 of subnets of the supernet {short(parts['checkpoint'])} in {parts['precision']}, "
        f"on {parts['val_images']} held-out training images, with batch norm calibrated on "
        f"{parts['calibration_images']} others"
    )


def _versions(parts: Mapping[str, str]) -> str:
    known = [f"{title} {parts[key]}" for key, title in _VERSIONS.items() if key in parts]
    return f"Made with {_joined(known)}" if known else ""


def _joined(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
