"""Base class of samplers that run pymoo's genetic algorithms by ask and tell; they differ in survival."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from pymoo.algorithms.base.genetic import GeneticAlgorithm
from pymoo.config import Config
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.core.termination import NoTermination

from search_space.genotype import Genotype
from studies.samplers.operators import Canonical, ResetMutation, UniformCrossover, Unseen, genotype_of
from studies.samplers.sampler import Sampler, SamplerContext
from studies.study.evaluation import Evaluation

MATING_ROUNDS = 20
"""Number of attempts at mating per generation, before neighbours of known networks fill it up."""

# pymoo prints a hint on stdout if its compiled sorting is absent. The results are the same.
Config.warnings["not_compiled"] = False


class GeneticSampler(Sampler):
    """A genetic algorithm over the genotypes of a space. Its first generation is drawn at random.

    Infeasible subnets rank behind all feasible ones, by the sum of their violations.

    Args:
        context: Design space, study and settings.
        algorithm: Creates the algorithm, with its selection and survival, from pymoo's keyword arguments.
    """

    def __init__(self, context: SamplerContext, algorithm: Callable[..., GeneticAlgorithm]) -> None:
        super().__init__(context)
        cardinalities = np.array([gene.cardinality for gene in context.space.genes], dtype=np.int64)
        # All operators are given, since pymoo's defaults are objects that its algorithms share.
        self._algorithm = algorithm(
            pop_size=context.population,
            crossover=UniformCrossover(),
            mutation=ResetMutation(cardinalities),
            repair=Canonical(context.space, self._archive),
            eliminate_duplicates=Unseen(self._archive),
            output=None,
        )
        self._algorithm.mating.n_max_iterations = MATING_ROUNDS
        self._algorithm.setup(
            Problem(
                n_var=len(context.space.genes),
                n_obj=len(context.study.goals),
                n_ieq_constr=len(context.study.constraints),
                xl=np.zeros_like(cardinalities),
                xu=cardinalities - 1,
            ),
            termination=NoTermination(),
        )
        # Replaces the generator that `setup` creates, so that there is only one.
        self._algorithm.random_state = self._rng

    def _propose(self, count: int) -> list[Genotype]:
        if not self._algorithm.is_initialized:
            return self._draw(count)
        children = self._algorithm.mating.do(
            self._algorithm.problem,
            self._algorithm.pop,
            count,
            algorithm=self._algorithm,
            random_state=self._rng,
        )
        return [genotype_of(child.X) for child in children]

    def _learn(self, evaluations: Sequence[Evaluation]) -> None:
        infills = Population.new(
            X=np.array([evaluation.genotype for evaluation in evaluations], dtype=np.int64)
        )
        infills.set("F", self._losses(evaluations))
        infills.set("G", self._study.violations(evaluations))
        self._algorithm.tell(infills=infills)
