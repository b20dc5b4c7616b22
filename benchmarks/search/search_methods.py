"""Search methods of `benchmarks.search.methods_compared`: ours, and others as their manuals recommend.

A method is a generator: it yields genotypes and is sent the values of all their objectives. The caller
therefore decides how networks are measured, and can measure those of several searches together.

| method | description |
|---|---|
| `nsga2`, `surrogate` | our samplers, asked for 24 networks at a time as by `studies.run` |
| `random` | every gene drawn uniformly |
| `optuna-nsga2-24`, `-50` | `NSGAIISampler` with our population, and with its default of 50 |
| `optuna-tpe` | `TPESampler` with defaults: genes one by one, each network told before the next is asked |
| `optuna-tpe-joint` | the same with `multivariate=True`, genes together: its default for one objective |
| `pymoo-nsga2-24`, `-100` | NSGA-II with pymoo's recipe for integers, our population and its default of 100 |

pymoo's recipe (pymoo.org/customization/discrete.html) is simulated binary crossover and polynomial mutation
on floats, both with ``prob=1.0, eta=3.0``, then rounding, without duplicates. Optuna suggests numbers by
`suggest_int` and names by `suggest_categorical`. None of these methods knows which genes a network does not
use, or begins with the smallest and the largest network, and a repeated network counts again. Each population
is asked for at once, which changes nothing, because a genetic algorithm learns from whole generations.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from benchmarks.search.pymoo_manual import manual_operators, started
from benchmarks.search.surrogate_savings import POPULATION, Bench
from search_space.arrays import Floats
from search_space.errors import UnknownNameError
from search_space.genotype import Gene, Genotype
from studies.samplers.registry import create_sampler
from studies.samplers.sampler import SamplerContext
from studies.study.pareto_front import losses

Search = Generator[list[Genotype], Floats, None]
"""Generator that yields n genotypes and is sent their values (n, objectives) in the units of the study."""


def own(bench: Bench, seed: int, sampler: str) -> Search:
    """Our sampler called `name`."""
    context = SamplerContext(
        space=bench.space, study=bench.study, population=POPULATION, seed=seed, exact=bench.exact
    )
    instance, done = create_sampler(sampler, context), 0
    while proposed := instance.ask(POPULATION):
        values = yield proposed
        instance.tell(bench.evaluations(proposed, values, done))
        done += len(proposed)


def drawn(bench: Bench, seed: int) -> Search:
    """Uniformly drawn genotypes."""
    rng = np.random.default_rng(seed)
    cardinalities = [gene.cardinality for gene in bench.space.genes]
    while True:
        yield [
            tuple(row) for row in rng.integers(0, cardinalities, (POPULATION, len(cardinalities))).tolist()
        ]


def optuna_search(bench: Bench, seed: int, sampler: str, at_once: int, **settings: Any) -> Search:
    """Optuna's sampler, asked for `at_once` networks before it is told their values."""
    import optuna
    from optuna.study import StudyDirection

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # It reports every trial on stderr.
    instance = getattr(optuna.samplers, sampler)(seed=seed, **settings)
    directions = [
        StudyDirection.MAXIMIZE if direction == "max" else StudyDirection.MINIMIZE
        for direction in bench.study.directions
    ]
    trials = optuna.create_study(sampler=instance, directions=directions)
    while True:
        running = [trials.ask() for _ in range(at_once)]
        values = yield [tuple(_suggested(trial, gene) for gene in bench.space.genes) for trial in running]
        for trial, row in zip(running, values.tolist(), strict=True):
            trials.tell(trial, row)


def _suggested(trial: Any, gene: Gene) -> int:
    """Option that an Optuna trial suggests for a gene."""
    if all(isinstance(option, int) for option in gene.options):
        return int(trial.suggest_int(gene.name, 0, gene.cardinality - 1))
    return int(trial.suggest_categorical(gene.name, range(gene.cardinality)))


def pymoo_nsga2(bench: Bench, seed: int, population: int) -> Search:
    """pymoo's NSGA-II with its documented recipe for integers."""
    from pymoo.algorithms.moo.nsga2 import NSGA2

    algorithm = started(
        NSGA2,
        bench.space.genes,
        objectives=len(bench.study.goals),
        population=population,
        seed=seed,
        **manual_operators(),
    )
    while (infills := algorithm.ask()) is not None and len(infills):
        values = yield [tuple(row) for row in infills.get("X").tolist()]
        infills.set("F", losses(values, bench.study.directions))
        algorithm.tell(infills=infills)


OURS = ("nsga2", "surrogate")
RIVALS: dict[str, Callable[[Bench, int], Search]] = {
    "random": drawn,
    "optuna-nsga2-24": lambda bench, seed: optuna_search(
        bench, seed, "NSGAIISampler", POPULATION, population_size=POPULATION
    ),
    "optuna-nsga2-50": lambda bench, seed: optuna_search(bench, seed, "NSGAIISampler", 50),
    "optuna-tpe": lambda bench, seed: optuna_search(bench, seed, "TPESampler", 1),
    "optuna-tpe-joint": lambda bench, seed: optuna_search(bench, seed, "TPESampler", 1, multivariate=True),
    "pymoo-nsga2-24": lambda bench, seed: pymoo_nsga2(bench, seed, POPULATION),
    "pymoo-nsga2-100": lambda bench, seed: pymoo_nsga2(bench, seed, 100),
}
METHODS = (*OURS, *RIVALS)


def start(method: str, bench: Bench, seed: int) -> Search:
    """A new search by the method called `name`.

    Raises:
        UnknownNameError: There is no such method.
    """
    check_method(method)
    return own(bench, seed, method) if method in OURS else RIVALS[method](bench, seed)


def check_method(method: str) -> None:
    """Raises `UnknownNameError` if no method has this name."""
    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
