"""The search itself: a sampler asks, an evaluator measures, the store keeps, the sampler is told.

Going on with a study is replay. The seeded sampler starts from the beginning each time and asks for the
same subnets as before; those in the table are served from it, the rest is measured. So a study may be
killed at any moment, and only finished evaluations need to survive.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from search_space.errors import H4HError
from search_space.genotype import Genotype
from studies.samplers.sampler import Sampler
from studies.search.evaluator import Evaluator
from studies.search.stop_rules import Plateau, StopRules
from studies.storage.store import Store
from studies.study.evaluation import Evaluation
from studies.study.prediction_quality import GenerationReport
from studies.study.study import Study

EXHAUSTED = "space"
"""What stops a search when every network of its space is evaluated."""


class ReplayError(H4HError):
    """A table whose evaluations are not those that the sampler asks for."""


@dataclass(frozen=True)
class Progress:
    """Where a search stands.

    Attributes:
        generation: The generation at hand, from 1.
        evaluations: How many subnets are evaluated, those from the table included.
        measured: How many of them this run has added.
        front: Pareto front of all of them, best in the first objective first.
        hypervolume: Of the front, 0 to 1.
        is_generation_done: Whether the generation is complete.
        idle: How many of the last generations brought no gain.
        stopped_by: The stop rule that ends the search here, or `EXHAUSTED`; None while it goes on.
        report: What the sampler says of the complete generation, if it predicts; else None.
        cache_hits: Subnets whose accuracy came from the database, where this study or another one had left
            it, instead of being measured in this run.
    """

    generation: int
    evaluations: int
    measured: int
    front: tuple[Evaluation, ...]
    hypervolume: float
    is_generation_done: bool
    idle: int = 0
    stopped_by: str | None = None
    report: GenerationReport | None = None
    cache_hits: int = 0


def search(
    *,
    study: Study,
    sampler: Sampler,
    evaluator: Evaluator,
    store: Store,
    population: int,
    rules: StopRules,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Progress]:
    """Runs `study` until one of `rules` holds, or its space is exhausted.

    Every evaluation is stored before the progress that counts it is yielded. The last progress, and only
    that, says what stopped the search.

    Args:
        study: Stored already.
        sampler: Fresh, made from the study's settings.
        evaluator: Of the study's objectives and constraints.
        store: Open for writing.
        population: Subnets per generation.
        rules: When to stop; at least one.
        clock: Seconds, from any origin.

    Raises:
        ReplayError: The sampler asks for another subnet than the table holds.
        EvaluationError: An objective gave no finite value.
        StoreError: The database cannot be written.
    """
    table = {evaluation.index: evaluation for evaluation in store.evaluations(study.name)}
    limit = np.inf if rules.evaluations is None else rules.evaluations
    reported = len(store.reports(study.name))
    plateau = Plateau()
    generation, start, measured, served = 0, 0, 0, 0
    begun: float | None = None
    front: list[Evaluation] = []

    def progress(evaluations: int, *, is_done: bool) -> Progress:
        return Progress(
            generation=generation,
            evaluations=evaluations,
            measured=measured,
            front=tuple(front),
            hypervolume=study.hypervolume(front),
            is_generation_done=is_done,
            idle=plateau.idle,
            cache_hits=served + evaluator.cache_hits,
        )

    def elapsed_s() -> float:
        return 0.0 if begun is None else clock() - begun

    while True:
        batch = dict(enumerate(sampler.ask(population), start))
        if not batch:
            yield replace(progress(start, is_done=True), stopped_by=EXHAUSTED)
            return
        generation += 1
        done = _served(study, table, batch)
        served += sum(map(evaluator.is_measured, done.values()))
        before = front
        front = study.front([*front, *done.values()])
        for heat in evaluator.heats(batch):
            missing = {
                index: genotype for index, genotype in heat.items() if index not in done and index < limit
            }
            if missing and begun is None:
                # Time counts from here: a sampler may take long to replay what the table holds.
                begun = clock()
            for chunk in evaluator.evaluate(missing, before):
                store.append(study.name, chunk)
                done |= {evaluation.index: evaluation for evaluation in chunk}
                measured += len(chunk)
                front = study.front([*front, *chunk])
                if len(done) < len(batch):
                    reason = rules.within(evaluations=start + len(done), elapsed_s=elapsed_s())
                    yield replace(progress(start + len(done), is_done=False), stopped_by=reason)
                    if reason is not None:
                        return
            # Of this heat alone: what the table holds of the next one must not decide anything in it.
            before = study.front([*before, *(done[index] for index in heat if index in done)])
        if len(done) < len(batch):  # Stopped here before, with the same limit.
            yield replace(progress(start + len(done), is_done=False), stopped_by="evaluations")
            return
        rows = [done[index] for index in batch]
        sampler.tell(rows)
        start += len(batch)
        report = sampler.report
        if report is not None and generation > reported:
            store.append_report(study.name, generation, report)
        broken = np.maximum(study.violations(rows), 0.0).sum(axis=1)
        now = progress(start, is_done=True)
        plateau.add(float(broken.min()), now.hypervolume)
        reason = rules.between(
            generations=generation, idle=plateau.idle, evaluations=start, elapsed_s=elapsed_s()
        )
        yield replace(now, idle=plateau.idle, stopped_by=reason, report=report)
        if reason is not None:
            return


def _served(study: Study, table: dict[int, Evaluation], batch: dict[int, Genotype]) -> dict[int, Evaluation]:
    """Those of `batch` that the table holds, by index.

    Raises:
        ReplayError: The table holds another subnet at one of these indices.
    """
    served = {index: table[index] for index in batch if index in table}
    for index, evaluation in served.items():
        if evaluation.genotype != batch[index]:
            raise ReplayError(
                f"study {study.name!r} cannot go on: evaluation {index} in the table is another subnet than "
                f"the sampler asks for now, though all settings agree. The table was written by other code; "
                f"start a new study with another --study name"
            )
    return served
