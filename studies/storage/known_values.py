"""Values that studies of a database have measured already, so that another study need not measure them."""

from __future__ import annotations

from collections.abc import Mapping

from search_space.genotype import Genotype
from studies.storage.store import Store
from studies.study.fingerprint import part_of
from studies.study.software import Software


def measured_values(
    store: Store, objective: str, space: str, deciding: Mapping[str, str], software: Software
) -> dict[Genotype, float]:
    """Values of one objective that studies of a database have measured in the same way.

    Args:
        store: The database.
        objective: Name of the objective.
        space: Digest of the search space.
        deciding: Fingerprint of the objective, without versions of libraries. For the accuracy: hashes of
            checkpoint and images, and the settings and version of the oracle.
        software: What measures the objective now.

    Returns:
        Values by canonical genotype of the network, whatever chips a study searched with it. Bounds from
        racing are left out.
    """
    values: dict[Genotype, float] = {}
    for study in store.studies():
        parts = study.fingerprint
        if parts["space"] != space or any(
            part_of(parts, objective, key) != value for key, value in deciding.items()
        ):
            continue
        # Its fingerprint has the objective's parts, so it is among its goals or its limits.
        column = study.quantities.index(objective)
        for evaluation in store.evaluations(study.name, made_with=software):
            value = (*evaluation.values, *evaluation.limited)[column]
            if value is not None and not evaluation.is_bound:
                values[study.network(evaluation.genotype)] = value
    return values
