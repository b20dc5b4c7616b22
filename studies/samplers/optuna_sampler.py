"""Optuna's samplers by ask and tell, in memory: only the study's own table is stored.

Optuna may suggest a network again, or one with values for inactive genes. So the evaluated network is added
as a trial of its own in canonical form. The suggested trial is closed as failed, and samplers ignore failed
trials. Until then it counts as running, which some samplers avoid.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState, create_trial

from search_space.genotype import Gene, Genotype
from studies.samplers.sampler import Sampler, SamplerContext
from studies.study.evaluation import Evaluation

# Optuna reports every trial on stderr.
optuna.logging.set_verbosity(optuna.logging.ERROR)


def seed_of(context: SamplerContext) -> int:
    """The study's seed in the 32 bits that Optuna accepts."""
    return int(np.random.SeedSequence(context.seed).generate_state(1)[0])


class OptunaSampler(Sampler):
    """One of Optuna's samplers over the genotypes of a space.

    Args:
        context: Design space, study and settings.
        sampler: Creates the seeded Optuna sampler.
    """

    def __init__(self, context: SamplerContext, sampler: Callable[[], optuna.samplers.BaseSampler]) -> None:
        super().__init__(context)
        # Genes without a choice are left out.
        self._distributions = {
            gene.name: _distribution(gene) for gene in context.space.genes if gene.cardinality > 1
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            self._trials = optuna.create_study(
                sampler=sampler(), directions=["minimize"] * len(context.study.goals)
            )
        self._running: list[optuna.Trial] = []

    def _propose(self, count: int) -> list[Genotype]:
        self._running = [self._trials.ask(self._distributions) for _ in range(count)]
        return [
            tuple(int(trial.params.get(gene.name, 0)) for gene in self._space.genes)
            for trial in self._running
        ]

    def _learn(self, evaluations: Sequence[Evaluation]) -> None:
        closed = [self._trials.tell(running, state=TrialState.FAIL) for running in self._running]
        losses, violations = self._losses(evaluations), self._study.violations(evaluations)
        self._trials.add_trials(
            create_trial(
                params={
                    gene.name: value
                    for gene, value in zip(self._space.genes, evaluation.genotype, strict=True)
                    if gene.name in self._distributions
                },
                distributions=self._distributions,
                values=losses[row].tolist(),
                constraints=dict(zip(self._study.constraints, violations[row].tolist(), strict=True)),
                # Genetic samplers store the generation of a trial there; it is the same for all.
                system_attrs=closed[min(row, len(closed) - 1)].system_attrs,
            )
            for row, evaluation in enumerate(evaluations)
        )


def _distribution(gene: Gene) -> BaseDistribution:
    """An integer distribution for ordered options, else a categorical one."""
    if gene.is_ordered:
        return IntDistribution(0, gene.cardinality - 1)
    return CategoricalDistribution(tuple(range(gene.cardinality)))
