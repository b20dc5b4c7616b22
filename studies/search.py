"""The search itself: a sampler asks, an evaluator measures, the store keeps, the sampler is told.

Going on with a study is replay. The seeded sampler starts from the beginning each time and asks for the
same subnets as before; those in the table are served from it, the rest is measured. So a study may be
killed at any moment, and only finished evaluations need to survive.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from search_space.errors import H4HError
from search_space.genotype import Genotype
from studies.evaluation import Evaluation, Evaluator, violations
from studies.samplers.sampler import Sampler
from studies.store import Store
from studies.study import Study


class ReplayError(H4HError):
    """A table whose evaluations are not those that the sampler asks for."""


@dataclass(frozen=True)
class Progress:
    """Where a search stands.

    Attributes:
        generation: The generation at hand, from 1.
        evaluations: How many subnets are evaluated, those from the table included.
        measured: How many of them this run has measured itself.
        front: Pareto front of all of them, best in the first objective first.
        hypervolume: Of the front, 0 to 1.
        is_generation_done: Whether the generation is complete.
        is_exhausted: Whether every network of the space is evaluated, so that the search ends early.
    """

    generation: int
    evaluations: int
    measured: int
    front: tuple[Evaluation, ...]
    hypervolume: float
    is_generation_done: bool
    is_exhausted: bool = False


def search(
    *, study: Study, sampler: Sampler, evaluator: Evaluator, store: Store, generations: int
) -> Iterator[Progress]:
    """Runs `study` up to `generations` generations, those in the table included.

    Every evaluation is stored before the progress that counts it is yielded.

    Args:
        study: Stored already.
        sampler: Fresh, made from the study's settings.
        evaluator: Of the study's objectives and constraints.
        store: Open for writing.
        generations: Where to stop, at least 1.

    Raises:
        ReplayError: The sampler asks for another subnet than the table holds.
        EvaluationError: An objective gave no finite value.
        StoreError: The database cannot be written.
    """
    table = {evaluation.index: evaluation for evaluation in store.evaluations(study.name)}
    start, measured = 0, 0
    front: list[Evaluation] = []
    progress: Progress | None = None
    for generation in range(1, generations + 1):
        batch = dict(enumerate(sampler.ask(), start))
        if not batch:
            if progress is not None:
                yield replace(progress, is_exhausted=True)
            return
        done = _served(study, table, batch)
        before = front
        front = study.front([*front, *done.values()])
        for heat in evaluator.heats(batch):
            missing = {index: genotype for index, genotype in heat.items() if index not in done}
            for chunk in evaluator.evaluate(missing, before):
                store.append(study.name, chunk)
                done |= {evaluation.index: evaluation for evaluation in chunk}
                measured += len(chunk)
                front = study.front([*front, *chunk])
                if len(done) < len(batch):
                    yield _progress(study, generation, start + len(done), measured, front, is_done=False)
            # Of this heat alone: what the table holds of the next one must not decide anything in it.
            before = study.front([*before, *(done[index] for index in heat)])
        rows = [done[index] for index in batch]
        sampler.tell(study.losses(rows), violations(rows, evaluator.constraints))
        start += len(batch)
        progress = _progress(study, generation, start, measured, front, is_done=True)
        yield progress


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


def _progress(
    study: Study, generation: int, evaluations: int, measured: int, front: list[Evaluation], *, is_done: bool
) -> Progress:
    return Progress(
        generation=generation,
        evaluations=evaluations,
        measured=measured,
        front=tuple(front),
        hypervolume=study.hypervolume(front),
        is_generation_done=is_done,
    )
