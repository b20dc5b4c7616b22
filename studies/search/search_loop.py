"""Search loop: the sampler proposes, the evaluator measures, the store saves, the sampler learns.

Resume is replay. The seeded sampler starts from the beginning each time and proposes the same designs as
before. Stored evaluations are read from the table, and only the others are measured. So a study can be killed
at any moment, and only finished evaluations need to survive.

A generation is evaluated in heats, one after the other. Without racing, the whole generation is one heat.
With racing (`racing.py`) there are several: the subnets of a heat compete with the front of all evaluations
before it, including earlier heats of the same generation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from objectives.workers.cluster_state import ClusterState
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
"""Reason for a stop when every design of the space is evaluated."""
CHECKED_ROWS = 100
"""Stored rows whose cheap values a resumed study compares, one a generation."""

Batch = dict[int, Genotype]
"""Canonical genotypes by index of their evaluation."""
Rows = dict[int, Evaluation]
"""Evaluations by index."""


class ReplayError(H4HError):
    """A stored study that cannot be resumed, since its sampler proposes other designs than stored."""


@dataclass(frozen=True)
class Progress:
    """State of a running search.

    Example:
        >>> from studies import StudySettings, run_study
        >>> settings = StudySettings(objectives=("macs", "lat"), population=4, generations=2)
        >>> records = []
        >>> _ = run_study(settings, database="studies.db", on_progress=records.append)
        >>> [record.evaluations for record in records], records[-1].stopped_by
        ([0, 4, 8], 'generations')

    Attributes:
        generation: Current generation, from 1.
        evaluations: Number of evaluated designs, those from the table included.
        measured: Number of evaluations that this run has added.
        front: Pareto front of all evaluations, best in the first objective first.
        hypervolume: Hypervolume of the front, 0 to 1.
        is_generation_done: Whether the generation is complete.
        idle: Number of generations in a row, up to this one, without a gain.
        stopped_by: Stop rule that ends the search here, or `EXHAUSTED`; None while it continues.
        report: Prediction quality of the complete generation, for samplers that predict; else None.
        cache_hits: Number of designs whose accuracy came from the database, where this or another study had
            stored it.
        designs_per_network: Number of mappings under which a generation evaluates each of its networks.
        cluster: State of the Dask cluster that measures; None without one.
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
    designs_per_network: int = 1
    cluster: ClusterState | None = None

    def __str__(self) -> str:
        """E.g. ``generation 3: 72 evaluations, front 18, hypervolume 0.7312``."""
        parts = [
            f"generation {self.generation}: {self.evaluations} evaluations",
            f"front {len(self.front)}",
            f"hypervolume {self.hypervolume:.4f}",
        ]
        if self.report is not None:
            parts.append(str(self.report))
        if self.stopped_by is not None:
            parts.append(f"stopped by {self.stopped_by}")
        return ", ".join(parts)


def search(
    *,
    study: Study,
    sampler: Sampler,
    evaluator: Evaluator,
    store: Store,
    population: int,
    rules: StopRules,
    clock: Callable[[], float] = time.monotonic,
    compares_all: bool = False,
) -> Iterator[Progress]:
    """Runs or resumes `study` until one of `rules` holds or its space is exhausted.

    Every evaluation is stored before the progress that counts it is yielded. Only the last progress names the
    rule that stopped the search.

    Args:
        study: Study, already stored.
        sampler: Fresh sampler, made from the study's settings.
        evaluator: Evaluator of the study's objectives and constraints.
        store: Database, open for writing.
        population: Designs per generation.
        rules: Stopping rules, at least one.
        clock: Seconds from any origin.
        compares_all: Whether the cheap values of every stored row are compared, not of one a generation.

    Raises:
        ReplayError: The sampler proposes another design than the table holds.
        EvaluationError: An objective returned no finite value.
        StoreError: The database cannot be written.
    """
    run = _Search(study, sampler, evaluator, store, population, rules, clock, compares_all)
    for progress in run.steps():
        yield progress
        if progress.stopped_by is not None:
            return


class _Search:
    """One run of a study. `steps` yields its progress; `search` stops at the first stopping rule."""

    def __init__(
        self,
        study: Study,
        sampler: Sampler,
        evaluator: Evaluator,
        store: Store,
        population: int,
        rules: StopRules,
        clock: Callable[[], float],
        compares_all: bool,
    ) -> None:
        self._study = study
        self._sampler = sampler
        self._evaluator = evaluator
        self._store = store
        self._population = population
        self._rules = rules
        self._clock = clock
        self._compares_all = compares_all
        self._table = {evaluation.index: evaluation for evaluation in store.evaluations(study.name)}
        self._reported = len(store.reports(study.name))
        self._plateau = Plateau()
        self._generation = 0
        self._complete = 0  # Evaluations of complete generations.
        self._measured = 0  # Evaluations that this run has added.
        self._compared = 0  # Stored evaluations whose cheap values were compared.
        self._served_measured = 0  # Evaluations from the table with an expensive objective.
        self._front: list[Evaluation] = []
        # Time of the first measurement, since a sampler may take long to replay what the table holds.
        self._started_at: float | None = None

    def steps(self) -> Iterator[Progress]:
        """Runs one generation after another and yields the progress."""
        while True:
            batch = dict(enumerate(self._sampler.ask(self._population), self._complete))
            if not batch:
                yield self._progress(self._complete, is_done=True, stopped_by=EXHAUSTED)
            self._generation += 1
            earlier_front = self._front
            done = self._replay(batch)
            yield from self._measure_heats(batch, done, earlier_front)
            if len(done) < len(batch):  # The limit on evaluations ends within this generation.
                yield self._progress(self._complete + len(done), is_done=False, stopped_by="evaluations")
            yield self._finish_generation([done[index] for index in batch])

    def _replay(self, batch: Batch) -> Rows:
        """Evaluations of the batch that the table holds; a resumed study measures only the others.

        Raises:
            ReplayError: The table holds another design at one of these indices.
        """
        stored = {index: self._table[index] for index in batch if index in self._table}
        for index, evaluation in stored.items():
            if evaluation.genotype != batch[index]:
                raise ReplayError(
                    f"study {self._study.name!r} cannot be resumed: evaluation {index} in the table is "
                    f"another subnet than the sampler asks for now, though all settings agree. The table was "
                    f"written by other code; start a new study with another --study name"
                )
        self._check_values(stored)
        self._served_measured += sum(map(self._evaluator.is_measured, stored.values()))
        self._front = self._study.front([*self._front, *stored.values()])
        return stored

    def _check_values(self, stored: Rows) -> None:
        """Compares the cheap values of stored evaluations, by default of one, with what objectives give now.

        Digests find rows that changed. This finds objectives that changed without a new version.

        Raises:
            ReplayError: A value differs.
        """
        if not stored or (self._compared == CHECKED_ROWS and not self._compares_all):
            return
        self._compared += 1
        for evaluation in stored.values() if self._compares_all else [stored[max(stored)]]:
            if differences := self._evaluator.differences(evaluation):
                raise ReplayError(
                    f"study {self._study.name!r} cannot be resumed: for evaluation {evaluation.index} "
                    f"{'; '.join(differences)}. Other code wrote the table; see `python -m studies.verify`, "
                    f"or start a new study with another --study name"
                )

    def _measure_heats(self, batch: Batch, done: Rows, front: list[Evaluation]) -> Iterator[Progress]:
        """Measures and stores the missing evaluations of a generation, heat by heat.

        Args:
            batch: The generation.
            done: Evaluations of the generation so far; extended.
            front: Front of all earlier generations.
        """
        limit = np.inf if self._rules.evaluations is None else self._rules.evaluations
        for heat in self._evaluator.heats(batch):
            missing = {index: genes for index, genes in heat.items() if index not in done and index < limit}
            if missing and self._started_at is None:
                self._started_at = self._clock()
            for chunk in self._evaluator.evaluate(missing, front):
                self._store.append(self._study.name, chunk)
                done |= {evaluation.index: evaluation for evaluation in chunk}
                self._measured += len(chunk)
                self._front = self._study.front([*self._front, *chunk])
                if len(done) < len(batch):
                    evaluations = self._complete + len(done)
                    stopped_by = self._rules.within(evaluations=evaluations, elapsed_s=self._elapsed_s())
                    yield self._progress(evaluations, is_done=False, stopped_by=stopped_by)
            # Only this heat counts for the next one. The table may hold later heats, but an uninterrupted run
            # would not know them yet.
            front = self._study.front([*front, *(done[index] for index in heat if index in done)])

    def _finish_generation(self, rows: list[Evaluation]) -> Progress:
        """Passes the evaluations of a generation to the sampler and applies the stopping rules."""
        self._sampler.tell(rows)
        self._complete += len(rows)
        report = self._sampler.report
        if report is not None and self._generation > self._reported:
            self._store.append_report(self._study.name, self._generation, report)
        broken = np.maximum(self._study.violations(rows), 0.0).sum(axis=1)
        hypervolume = self._study.hypervolume(self._front)
        self._plateau.add(float(broken.min()), hypervolume)
        stopped_by = self._rules.between(
            generations=self._generation,
            idle=self._plateau.idle,
            evaluations=self._complete,
            elapsed_s=self._elapsed_s(),
        )
        progress = self._progress(self._complete, is_done=True, hypervolume=hypervolume)
        return replace(progress, stopped_by=stopped_by, report=report)

    def _elapsed_s(self) -> float:
        return 0.0 if self._started_at is None else self._clock() - self._started_at

    def _progress(
        self,
        evaluations: int,
        *,
        is_done: bool,
        stopped_by: str | None = None,
        hypervolume: float | None = None,
    ) -> Progress:
        return Progress(
            generation=self._generation,
            evaluations=evaluations,
            measured=self._measured,
            front=tuple(self._front),
            hypervolume=self._study.hypervolume(self._front) if hypervolume is None else hypervolume,
            is_generation_done=is_done,
            idle=self._plateau.idle,
            stopped_by=stopped_by,
            cache_hits=self._served_measured + self._evaluator.cache_hits,
            designs_per_network=max(1, len(self._study.chips.mapping)),
        )
