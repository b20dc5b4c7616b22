"""Surrogate-assisted search: predict expensive objectives, compute cheap ones exactly, measure few networks.

In each generation a Gaussian process (`gaussian_process`) learns from the measured networks every quantity
that cannot be computed from tables, usually the accuracy alone. NSGA-II then searches a hundred thousand
predicted networks with their exact costs (`virtual_search`). A cost that tables only estimate is learned as a
factor of its estimate, which leaves little to learn. The batch to measure is the one expected to add most
hypervolume of the study's box (`expected_gain`). Where its costs have a linear scale, half of the batch aims
at logarithmic costs all the same, so that small networks are not neglected. The method follows LINAS
(Cummings et al. 2022) and NSGANetV2 (Lu et al. 2020), which also predict costs and ignore the uncertainty of
a prediction.

Predictions are trusted as long as they rank networks correctly. The networks of each generation are predicted
before they are measured. If the rank correlation of the last `WINDOW` of them falls below `TRUSTED`, plain
NSGA-II, which has learned from all evaluations as well, chooses the next generation. Its networks are
predicted too, so the surrogate returns as soon as it is right again.

Nothing is predicted before `LEAST_MEASURED` networks are measured. Until then networks are drawn at random
within the limits on exact quantities; without such limits plain NSGA-II chooses them.

If nothing has to be predicted, NSGA-II runs on exact values.

If chips are searched as well, a quantity that does not depend on the chip is learned from networks alone, and
a value measured on one chip is known on all others. Any other quantity is learned from networks with their
chips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray
from pymoo.algorithms.moo.nsga2 import NSGA2, RankAndCrowdingSurvival, binary_tournament
from pymoo.operators.selection.tournament import TournamentSelection

from search_space.arrays import Floats, Genotypes
from search_space.genotype import Genotype
from studies.design_space.design_space import DesignSpace
from studies.samplers.expected_gain import choose
from studies.samplers.gaussian_process import GaussianProcess, Steps, steps
from studies.samplers.genetic import GeneticSampler
from studies.samplers.operators import genotype_of
from studies.samplers.sampler import Sampler, SamplerContext
from studies.samplers.virtual_search import Predict, Predicted, listed_search, row_names, virtual_search
from studies.study.cost_scale import LINEAR, logarithmic
from studies.study.evaluation import Evaluation
from studies.study.prediction_quality import EXACT, PLAIN, RANDOM, SURROGATE, GenerationReport, kendall

LEAST_MEASURED = 16
"""Least number of measured networks for a prediction."""
WINDOW = 24
"""Number of newest networks, predicted and then measured, over which the rank correlation is taken."""
TRUSTED = 0.3
"""Least rank correlation at which the surrogate chooses the next generation."""
SAMPLES = 32
"""Samples of possible measurements for the expected gain."""


class SurrogateSampler(GeneticSampler):
    """Measures the networks with the largest expected gain.

    The first generation is drawn at random, from networks that hold the limits on exact quantities.

    Args:
        context: Space, study and settings.
    """

    def __init__(self, context: SamplerContext) -> None:
        selection = TournamentSelection(func_comp=binary_tournament)
        super().__init__(context, partial(NSGA2, selection=selection, survival=RankAndCrowdingSurvival()))
        self._seed = context.seed
        self._exact = context.exact
        self._network_only = context.network_only
        self._constraints = list(self._study.limits)
        quantities = dict.fromkeys(
            [*self._study.objectives, *(constraint.quantity for constraint in self._constraints)]
        )
        exact = () if self._exact is None else self._exact.names
        self._predicted = [name for name in quantities if name not in exact]
        self._estimated = () if self._exact is None else self._exact.estimated
        self._evaluations: list[Evaluation] = []
        self._processes: dict[str, GaussianProcess] = {}
        self._measured: dict[str, dict[Genotype, float]] = {name: {} for name in self._predicted}
        self._measured_by_row: dict[str, dict[bytes, float]] = {name: {} for name in self._predicted}
        self._pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in self._predicted}
        # A box on a logarithmic scale needs no second aim.
        self._scales = self._study.cost_scales if self._study.scale == LINEAR else {}
        self._generation = 0
        self._source = RANDOM
        self._batch_correlation: float | None = None

    @property
    def report(self) -> GenerationReport | None:
        """Source of the last generation and quality of its predictions."""
        return GenerationReport(source=self._source, rank_correlation=self._batch_correlation)

    def _propose(self, count: int) -> list[Genotype]:
        self._generation += 1
        # A generator for each generation, so that it does not depend on the number of earlier draws.
        rng = np.random.default_rng([self._seed, self._generation])
        if self._has_exact_limit and not (self._evaluations and self._is_ready):
            self._source = RANDOM
            return [genotype_of(row) for row in self._feasible_batch(count, rng)]
        if not self._evaluations:
            self._source = RANDOM
            return super()._propose(count)
        if not self._is_ready or not self._is_trusted:
            self._source = PLAIN
            return self._plain_batch(count, rng)
        self._source = SURROGATE if self._predicted else EXACT
        return [genotype_of(row) for row in self._best_batch(count, rng)]

    def _learn(self, evaluations: Sequence[Evaluation]) -> None:
        super()._learn(evaluations)
        self._batch_correlation = self._compare(evaluations)
        self._evaluations += evaluations
        for name, measured in self._measured.items():
            for row in evaluations:
                value = self._value(row, name)
                if value is not None:
                    measured.setdefault(self._subject(name, row.genotype), value)
            if len(measured) >= LEAST_MEASURED:
                genes = np.array(list(measured), dtype=np.int64)
                values = np.array(list(measured.values()), dtype=np.float64)
                self._measured_by_row[name] = dict(zip(row_names(genes), values.tolist(), strict=True))
                factors = values / self._estimate(name, genes)
                self._processes[name] = GaussianProcess.fit(
                    self._steps(name, genes), factors, self._processes.get(name)
                )

    @property
    def _has_exact_limit(self) -> bool:
        return any(
            constraint.quantity not in self._predicted or constraint.quantity in self._estimated
            for constraint in self._constraints
        )

    @property
    def _is_ready(self) -> bool:
        return all(name in self._processes for name in self._predicted)

    @property
    def _is_trusted(self) -> bool:
        recent = [pairs[-WINDOW:] for pairs in self._pairs.values()]
        return all(len(pairs) < LEAST_MEASURED or _correlation(pairs) >= TRUSTED for pairs in recent)

    def _compare(self, evaluations: Sequence[Evaluation]) -> float | None:
        """Rank correlation of predicted and measured values of a generation, of the worst quantity."""
        correlations = []
        for name in self._processes:
            measured: dict[Genotype, float] = {}
            for row in evaluations:
                subject, value = self._subject(name, row.genotype), self._value(row, name)
                # Values known before were not predicted.
                if value is not None and subject not in self._measured[name]:
                    measured[subject] = value
            if not measured:
                continue
            genes = np.array(list(measured), dtype=np.int64)
            forecast = self._forecast(name, genes).tolist()
            pairs = list(zip(forecast, measured.values(), strict=True))
            self._pairs[name] += pairs
            correlations.append(_correlation(pairs))
        return min(correlations, default=None)

    def _space_of(self, name: str) -> DesignSpace:
        """The space of what a quantity depends on: the network alone, or the network on its chip."""
        return self._space.on_fixed_chip if name in self._network_only else self._space

    def _subject(self, name: str, genotype: Genotype) -> Genotype:
        """Genotypes that a quantity depends on."""
        return genotype[: len(self._space_of(name).genes)]

    def _steps(self, name: str, subjects: Genotypes) -> Steps:
        """Steps of what a quantity depends on, from genotypes of that alone."""
        return steps(self._space_of(name), subjects)

    def _estimate(self, name: str, subjects: Genotypes) -> Floats:
        """Estimates (n,) of a quantity from tables; ones where there are none."""
        if name not in self._estimated or self._exact is None:
            return np.ones(len(subjects))
        return self._exact.estimate(subjects)[name]

    def _forecast(self, name: str, subjects: Genotypes) -> Floats:
        """Expected values (n,) of a quantity."""
        factors = self._processes[name].forecast(self._steps(name, subjects))
        return factors * self._estimate(name, subjects)

    def _value(self, evaluation: Evaluation, name: str) -> float | None:
        """A quantity of a measured network in its unit; None if it was not measured exactly."""
        if evaluation.is_bound and name == "acc":
            return None
        if name in self._study.objectives:
            return evaluation.values[self._study.objectives.index(name)]
        quantities = [constraint.quantity for constraint in self._constraints]
        return evaluation.limited[quantities.index(name)]

    def _best_batch(self, count: int, rng: np.random.Generator) -> Genotypes:
        """New networks to measure, shape (at most `count`, genes), feasible networks first."""
        candidates = self._candidates(self._score, count, rng)
        feasible = np.flatnonzero(candidates.broken == 0)
        if len(feasible) == 0:
            return candidates.genes[:count]
        front = np.nan_to_num(self._study.scaled_losses(self._front), nan=1.0)
        losses = self._samples(candidates.rows(feasible), rng)
        chosen = choose(losses, front, count, pivot=self._pivot)
        if self._scales:
            # Half of the batch for either scale of the costs, in turn.
            losses, front = (logarithmic(each, self._scales) for each in (losses, front))
            chosen = _in_turn(chosen, choose(losses, front, count, pivot=self._pivot))[:count]
        # If too few add hypervolume, the best predicted ones follow, then those that violate limits least.
        order = dict.fromkeys([*feasible[chosen], *feasible, *range(len(candidates.genes))])
        return candidates.genes[list(order)[:count]]

    def _plain_batch(self, count: int, rng: np.random.Generator) -> list[Genotype]:
        """Children of plain NSGA-II. Feasible networks replace those that violate an exact limit."""
        proposed = super()._propose(count)
        if not self._has_exact_limit or not proposed:
            return proposed
        worst = self._exact_violations(self._exactly(np.array(proposed))).max(axis=1)
        feasible = [genotype for genotype, excess in zip(proposed, worst, strict=True) if excess <= 0]
        if len(feasible) < count:
            feasible += [genotype_of(row) for row in self._feasible_batch(count, rng)]
        return list(dict.fromkeys(feasible))[:count]

    def _feasible_batch(self, count: int, rng: np.random.Generator) -> Genotypes:
        """New networks drawn from those within the limits on exact quantities."""
        assert self._exact is not None
        estimate = self._exact.estimate
        candidates = self._candidates(
            lambda genes: (np.zeros((len(genes), 1)), self._exact_violations(estimate(genes))), count, rng
        )
        violations = self._exact_violations(self._exactly(candidates.genes))
        broken = np.maximum(violations, 0.0).sum(axis=1)
        order = rng.permutation(len(candidates.genes))
        return candidates.genes[order[np.argsort(broken[order], kind="stable")]][:count]

    def _exactly(self, genes: Genotypes) -> dict[str, Floats]:
        """Exact quantities of networks (n, genes) by name, and estimates where there are only these."""
        if self._exact is None:
            return {}
        exact = dict(self._exact(genes))
        return {**self._exact.estimate(genes), **exact} if self._estimated else exact

    def _exact_violations(self, exact: Mapping[str, Floats]) -> Floats:
        """Violations of the limits on exact quantities, shape (n, limits)."""
        limits = [limit for limit in self._constraints if limit.quantity in exact]
        return np.stack([limit.violations(exact[limit.quantity]) for limit in limits], axis=1)

    def _candidates(self, score: Predict, count: int, rng: np.random.Generator) -> Predicted:
        """New networks that are predicted to be good, feasible ones first."""
        if self._space.listed is None:
            best, seen = virtual_search(self._space, score, self._start(), rng)
        else:
            best, seen = listed_search(score, self._archive.new_designs(), rng)
        candidates = self._new(best)
        if (candidates.broken == 0).sum() >= count:
            return candidates
        # In a small space or feasible region, every network seen during the search is a candidate.
        everything = self._new(seen)
        order = np.argsort(everything.broken, kind="stable")
        return everything.rows(order[: max(len(candidates.genes), count)])

    def _start(self) -> Genotypes:
        """Initial population of the virtual search: the front, then the others, newest first."""
        order = dict.fromkeys(
            [*(row.genotype for row in self._front), *(row.genotype for row in self._evaluations[::-1])]
        )
        return np.array(list(order), dtype=np.int64).reshape(-1, len(self._space.genes))

    def _new(self, candidates: Predicted) -> Predicted:
        """Candidates that the study has not proposed yet."""
        is_new = [genotype_of(row) not in self._archive for row in candidates.genes]
        return candidates.rows(np.flatnonzero(is_new))

    def _score(self, genes: Genotypes) -> tuple[Floats, Floats]:
        values = {} if self._exact is None else dict(self._exact.estimate(genes))
        for name in self._predicted:
            # Designs of one network are predicted twice, which is quicker than finding them.
            subjects = genes[:, : len(self._space_of(name).genes)]
            factors = self._processes[name].forecast(self._steps(name, subjects))
            forecast = factors * values[name] if name in self._estimated else factors
            values[name] = self._known(name, subjects, forecast)
        return self._scaled(values), self._violations(values)

    def _samples(self, candidates: Predicted, rng: np.random.Generator) -> Floats:
        """Possible measurements of candidates: scaled losses (samples, n, goals), 1 if infeasible."""
        exact = self._exactly(candidates.genes)
        count = SAMPLES if self._predicted else 1
        drawn = {}
        for name in self._predicted:
            subjects, places = self._subjects(name, candidates.genes)
            normal = rng.standard_normal((count, len(subjects)))
            factors = self._processes[name].samples(self._steps(name, subjects), normal)
            samples = factors * self._estimate(name, subjects)
            drawn[name] = self._known(name, subjects, samples)[:, places]
        rows = []
        for sample in range(count):
            values = exact | {name: values[sample] for name, values in drawn.items()}
            breaks = np.any(self._violations(values) > 0, axis=1, keepdims=True)
            rows.append(np.where(breaks, 1.0, self._scaled(values)))
        return np.stack(rows)

    def _subjects(self, name: str, genes: Genotypes) -> tuple[Genotypes, NDArray[np.intp]]:
        """Distinct genes that a quantity depends on in designs (n, genes), and the row of each design."""
        space = self._space_of(name)
        if space is self._space:
            return genes, np.arange(len(genes))
        different, places = np.unique(genes[:, : len(space.genes)], axis=0, return_inverse=True)
        return different, places.reshape(-1)

    def _known(self, name: str, subjects: Genotypes, values: Floats) -> Floats:
        """Predicted values (..., n), replaced by measured ones if known from another chip."""
        if self._space_of(name) is not self._space:
            known = self._measured_by_row[name]
            for place, row in enumerate(row_names(subjects)):
                if row in known:
                    values[..., place] = known[row]
        return values

    @property
    def _pivot(self) -> int:
        goals = self._study.objectives
        return next((goals.index(name) for name in self._predicted if name in goals), 0)

    def _scaled(self, values: dict[str, Floats]) -> Floats:
        return self._study.scaled(np.stack([values[name] for name in self._study.objectives], axis=1))

    def _violations(self, values: dict[str, Floats]) -> Floats:
        size = len(next(iter(values.values())))
        columns = [constraint.violations(values[constraint.quantity]) for constraint in self._constraints]
        return np.stack(columns, axis=1) if columns else np.zeros((size, 0))


def _correlation(pairs: Sequence[tuple[float, float]]) -> float:
    before, measured = np.array(pairs, dtype=np.float64).T
    return kendall(before, measured)


def _in_turn(first: Sequence[int], second: Sequence[int]) -> list[int]:
    """Elements of two lists, one of each in turn, every element once."""
    return list(dict.fromkeys(row for pair in zip_longest(first, second) for row in pair if row is not None))


def create(context: SamplerContext) -> Sampler:
    """Surrogate-assisted NSGA-II over the genotypes of a space."""
    return SurrogateSampler(context)
