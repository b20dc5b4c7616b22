"""Search methods of `benchmarks.search.tables_compared`: our samplers, and pymoo's algorithms over a table.

A method is a generator: it yields genotypes and is sent the networks that were evaluated for them, with the
values of all objectives. A genotype that the table lacks, or that was evaluated before, moves to the nearest
new network, for rivals as for our samplers.

| method | description |
|---|---|
| `surrogate`, `nsga2`, `sms`, `local`, `random` | our samplers, asked for 24 networks at a time |
| `optuna-nsga2`, `optuna-tpe`, `optuna-gp` | Optuna's samplers; TPE and GP get one network at a time |
| `pymoo-nsga2`, `pymoo-sms`, `pymoo-spea2` | by pymoo's manual for integers, default population of 100 |
| `pymoo-nsga2-tuned`, ... | population 24, uniform crossover, mutation of a gene to any other option |
| `botorch-qlognehvi`, `botorch-qlognparego` | BoTorch (`botorch_search.py`), in an environment of its own |
| `surrogate-batch-12`, ... | `surrogate` with one change, see `surrogate_variants.py` |

pymoo's manual (pymoo.org/customization/discrete.html) gives simulated binary crossover and polynomial
mutation on floats, both with ``prob=1.0, eta=3.0``, then rounding, without duplicates.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial

import numpy as np

from benchmarks.search.botorch_search import NEHVI, PAREGO, botorch
from benchmarks.search.judging_tables import JudgingTable
from benchmarks.search.pymoo_manual import manual_operators, started
from benchmarks.search.surrogate_variants import VARIANTS
from search_space.arrays import Floats
from search_space.errors import UnknownNameError
from search_space.genotype import Genotype
from studies.samplers.registry import create_sampler
from studies.samplers.sampler import Sampler, SamplerContext
from studies.study.pareto_front import losses

POPULATION = 24
MANUAL_POPULATION = 100

Search = Generator[list[Genotype], tuple[list[Genotype], Floats], None]
"""Yields n genotypes and is sent n networks with their values (n, objectives) in the units of the study."""


def own(bench: JudgingTable, seed: int, sampler: str, at_once: int = POPULATION) -> Search:
    """One of our samplers."""
    context = SamplerContext(
        space=bench.space,
        study=bench.study,
        population=POPULATION,
        seed=seed,
        exact=bench.exact if sampler == "surrogate" else None,
    )
    yield from asked(create_sampler(sampler, context), bench, at_once)


def variant(bench: JudgingTable, seed: int, name: str) -> Search:
    """The sampler `surrogate` with one change; the first generation always has `POPULATION` networks."""
    create, at_once = VARIANTS[name]
    yield from asked(create(bench, seed), bench, at_once, first=POPULATION)


def asked(sampler: Sampler, bench: JudgingTable, at_once: int, *, first: int | None = None) -> Search:
    """A sampler of ours, asked for `at_once` networks at a time, at the start for `first`."""
    done = 0
    while proposed := sampler.ask(at_once if done or first is None else first):
        networks, _ = yield proposed
        sampler.tell(bench.evaluations(networks, done))
        done += len(networks)


def pymoo(bench: JudgingTable, seed: int, algorithm: str, *, is_tuned: bool) -> Search:
    """One of pymoo's algorithms, by its manual or tuned."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.algorithms.moo.sms import SMSEMOA
    from pymoo.algorithms.moo.spea2 import SPEA2
    from pymoo.operators.crossover.ux import UX

    from studies.samplers.operators import ResetMutation

    operators = manual_operators()
    if is_tuned:
        cardinalities = np.array([gene.cardinality for gene in bench.space.genes])
        operators = {"crossover": UX(prob=0.9), "mutation": ResetMutation(cardinalities)}
    instance = started(
        {"nsga2": NSGA2, "sms": SMSEMOA, "spea2": SPEA2}[algorithm],
        bench.space.genes,
        objectives=len(bench.study.goals),
        population=POPULATION if is_tuned else MANUAL_POPULATION,
        seed=seed,
        **operators,
    )
    while (infills := instance.ask()) is not None and len(infills):
        networks, values = yield [tuple(map(int, row)) for row in infills.get("X").tolist()]
        infills = infills[: len(networks)]
        infills.set("X", np.array(networks))
        infills.set("F", losses(values, bench.study.directions))
        instance.tell(infills=infills)


OURS = ("surrogate", "nsga2", "sms", "local", "random")
DEFAULT: dict[str, Callable[[JudgingTable, int], Search]] = {
    **{name: partial(own, sampler=name) for name in (*OURS, "optuna-nsga2")},
    "optuna-tpe": partial(own, sampler="optuna-tpe", at_once=1),
    **{
        f"pymoo-{kind}{'-tuned' if is_tuned else ''}": partial(pymoo, algorithm=kind, is_tuned=is_tuned)
        for kind in ("nsga2", "sms", "spea2")
        for is_tuned in (False, True)
    },
}
"""Methods that the command compares unless `--methods` names others."""
BOTORCH = {f"botorch-{name}": name for name in (NEHVI, PAREGO)}
METHODS: dict[str, Callable[[JudgingTable, int], Search]] = {
    **DEFAULT,
    "optuna-gp": partial(own, sampler="optuna-gp", at_once=1),
    **{name: partial(botorch, acquisition=kind, at_once=POPULATION) for name, kind in BOTORCH.items()},
    **{name: partial(variant, name=name) for name in VARIANTS},
}
MOST = {"optuna-tpe": 96, "optuna-gp": 48, **dict.fromkeys(BOTORCH, 48)}
"""Largest number of evaluations of methods that take long to choose."""


def start(method: str, bench: JudgingTable, seed: int) -> Search:
    """A new search.

    Raises:
        UnknownNameError: There is no such method.
    """
    if method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
    return METHODS[method](bench, seed)
