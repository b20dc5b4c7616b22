"""Rules of samplers: a study whose sampler proposed other networks in an earlier version is not resumed.

A number stands for the rules by which a sampler proposes networks. It is raised when equal settings give
other networks than before, and it is part of the fingerprint of the studies that this concerns.

| sampler | studies | rules | change |
|---|---|---|---|
| `surrogate` | with limits on quantities that are no measurement | 2 | first generation within these limits |
"""

from __future__ import annotations

from collections.abc import Sequence

from objectives.registry import declarations
from studies.study.constraint import Constraint
from studies.study.fingerprint import FingerprintError
from studies.study.settings import PREDICTING
from studies.study.study import Study

RULES = "sampler rules"
"""Key of the fingerprint."""
_DRAWS_WITHIN_LIMITS = "2"


def sampler_rules(sampler: str, limits: Sequence[Constraint]) -> dict[str, str]:
    """Entry of the fingerprint; none where the rules are those of version 0.1.0."""
    is_concerned = sampler == PREDICTING and any(map(_is_computed, limits))
    return {RULES: _DRAWS_WITHIN_LIMITS} if is_concerned else {}


def check_sampler_rules(study: Study) -> None:
    """Refuses to resume a study that began by other rules than those of today.

    Raises:
        FingerprintError: It did.
    """
    sampler = study.fingerprint.get("sampler", "")
    current, stored = sampler_rules(sampler, study.limits).get(RULES), study.fingerprint.get(RULES)
    if stored != current:
        raise FingerprintError(
            f"study {study.name!r} was begun by an earlier version of the sampler {sampler!r}, which "
            f"proposed other networks under limits, so it cannot resume to the same table: it stays "
            f"readable; start a new study from its front with --study NEW --warm-start {study.name}"
        )


def _is_computed(limit: Constraint) -> bool:
    declared = declarations().get(limit.quantity.partition("@")[0])
    return declared is None or not declared.is_expensive
