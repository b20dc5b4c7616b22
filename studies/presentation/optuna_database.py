"""Optuna database of a study, for optuna-dashboard and Optuna's own plots."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from search_space.files.whole_file import whole_file
from search_space.genotype import to_text
from studies.presentation.plain_records import counts
from studies.study.evaluation import Evaluation, violations
from studies.study.study import Study

_DIRECTIONS = {"max": StudyDirection.MAXIMIZE, "min": StudyDirection.MINIMIZE}
_CONSTRAINTS_BEFORE_5 = "constraints"
"""Attribute of a trial where Optuna 4 and optuna-dashboard look for constraints: a list of amounts."""


def trials(study: Study, evaluations: Sequence[Evaluation]) -> Iterator[FrozenTrial]:
    """Evaluations as finished trials, in order.

    Parameters are the active genes with their options. A subnet that was infeasible before all of its
    objectives were measured, or that racing stopped, has no values and counts as pruned.
    """
    space = study.search_space
    choices = {gene.name: CategoricalDistribution(gene.options) for gene in space.genes}
    for evaluation, broken in zip(evaluations, violations(evaluations, study.limits), strict=True):
        active = space.active(evaluation.genotype)
        chosen = {
            gene.name: gene.options[index]
            for gene, index, is_active in zip(space.genes, evaluation.genotype, active, strict=True)
            if is_active
        }
        values = [value for value in evaluation.values if value is not None]
        amounts = [float(amount) for amount in broken]
        is_complete = len(values) == len(study.goals) and not evaluation.is_bound
        yield create_trial(
            state=TrialState.COMPLETE if is_complete else TrialState.PRUNED,
            values=values if is_complete else None,
            params=chosen,
            distributions={name: choices[name] for name in chosen},
            constraints=dict(zip(study.constraints, amounts, strict=True)) or None,
            system_attrs={_CONSTRAINTS_BEFORE_5: amounts} if amounts else None,
            user_attrs={
                "id": evaluation.index,
                "genotype": to_text(evaluation.genotype),
                **counts(study, evaluation),
            },
        )


def write(study: Study, finished: Iterable[FrozenTrial], path: Path) -> None:
    """Writes trials of `study` to a new SQLite file, whole or not at all."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with whole_file(path) as temporary:
        storage = optuna.storages.RDBStorage(f"sqlite:///{temporary.absolute()}")
        try:
            optuna_study = optuna.create_study(
                storage=storage,
                study_name=study.name,
                directions=[_DIRECTIONS[goal.direction] for goal in study.goals],
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)
                optuna_study.set_metric_names([f"{goal.name} [{goal.unit}]" for goal in study.goals])
            for name, value in (*study.settings.items(), *study.fingerprint.items()):
                optuna_study.set_user_attr(name, value)
            for trial in finished:
                optuna_study.add_trial(trial)
        finally:
            storage.engine.dispose()
