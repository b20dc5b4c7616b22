"""Studies in Python: run one, load one, look at its front, resume it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from objectives.registry import known_objectives
from search_space.errors import H4HError
from search_space.files.own_code import is_reference
from studies.analysis.gene_shares import gene_shares
from studies.analysis.paper_text import paper_text
from studies.launch.plan import check
from studies.launch.plan_objects import Notify
from studies.launch.run_or_resume import OnProgress, run_or_resume
from studies.presentation.notebook_table import front_html
from studies.presentation.plain_records import rows
from studies.storage.store import open_store
from studies.study.evaluation import Evaluation
from studies.study.settings import StudySettings
from studies.study.study import Study

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, repr=False)
class LoadedStudy:
    """A study with its evaluations at the time of loading.

    Example:
        >>> from studies import StudySettings, run_study
        >>> settings = StudySettings(
        ...     objectives=("macs", "lat"), constraints=("vit_blocks>=2",), population=6, generations=2
        ... )
        >>> study = run_study(settings, database="studies.db")
        >>> study
        <study 'cifar32-macs-lat-s0': 12 evaluations of macs, lat over space cifar32, front of ...>
        >>> all(record["vit_blocks"] >= 2 for record in study.front())
        True
        >>> sorted(study.importances())
        ['lat', 'macs']
        >>> print(study.paper_text("markdown"))
        | id | macs | lat ms | ...
        >>> study.resume(generations=3)
        <study 'cifar32-macs-lat-s0': 18 evaluations of macs, lat over space cifar32, front of ...>

    Attributes:
        study: Space, objectives, constraints, settings and fingerprint.
        measured: Its evaluations, in order.
        database: File of the study.
    """

    study: Study
    measured: tuple[Evaluation, ...]
    database: Path
    _own_objectives: tuple[object, ...] = field(default=(), compare=False)
    _own_samplers: tuple[object, ...] = field(default=(), compare=False)

    @property
    def name(self) -> str:
        """Name of the study in its database."""
        return self.study.name

    @property
    def settings(self) -> StudySettings:
        """The settings of the study.

        Raises:
            H4HError: They come from another version, and a value is no longer allowed.
        """
        return StudySettings.from_study(self.study)

    @property
    def hypervolume(self) -> float:
        """Hypervolume of the front, 0 to 1, within the study's own bounds."""
        return self.study.hypervolume(self.measured)

    def evaluations(self) -> list[dict[str, Any]]:
        """One record for each evaluation, in order: id, objectives, counts, family, genotype, every gene.

        None where a value was not measured, and for a gene that the network does not use.
        """
        return rows(self.study, self.measured)

    def front(self) -> list[dict[str, Any]]:
        """The records of the Pareto front, best in the first objective first."""
        by_id = {record["id"]: record for record in self.evaluations()}
        return [by_id[evaluation.index] for evaluation in self.study.front(self.measured)]

    def importances(self) -> dict[str, dict[str, float]]:
        """Importance of the genes for each objective: share of its entropy that a gene explains, 0 to 1.

        The largest share comes first, and genes without any are left out. A dictionary without objectives
        means that the evaluations are too few, or that their values are all equal. See
        `studies.analysis.gene_importance`.
        """
        found = gene_shares(self.study, self.measured)
        return {} if found is None else found.by_objective()

    def paper_text(self, form: str) -> str:
        """The front as a table for a paper, and the settings as a paragraph to quote.

        Args:
            form: ``latex`` or ``markdown``.
        """
        return paper_text(self.study, self.measured, form)

    def to_frame(self) -> DataFrame:
        """The records of `evaluations` as a pandas data frame.

        Raises:
            H4HError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise H4HError(
                "to_frame() needs pandas: run `pip install pandas`, or use evaluations()"
            ) from error
        return pandas.DataFrame(self.evaluations())

    def resume(
        self,
        *,
        generations: int | None = None,
        evaluations: int | None = None,
        minutes: float | None = None,
        patience: int | None = None,
        workers: int | None = None,
        dask: str | None = None,
        objectives: Sequence[object] = (),
        samplers: Sequence[object] = (),
        on_progress: OnProgress | None = None,
        on_notice: Notify | None = None,
        accept_versions: bool = False,
    ) -> LoadedStudy:
        """Resumes the study and returns the result; this object does not change.

        Args:
            generations: Number of generations, stored ones included.
            evaluations: Number of subnets, stored ones included.
            minutes: Minutes that this run may take.
            patience: Generations in a row without a gain in hypervolume. Without any of these four rules,
                the rules of the study apply.
            workers: Number of processes that measure; by default that of the study.
            dask: Address of a Dask scheduler; by default that of the study.
            objectives: User-defined objectives of the study. Not needed if `run_study` made the study in this
                process, or if its settings name them as ``module:Class``.
            samplers: User-defined samplers of the study; see `objectives`.
            on_progress: See `run_study`.
            on_notice: See `run_study`.
            accept_versions: See `run_study`.

        Raises:
            H4HError: Something that decides the result has changed, or a value is not allowed.
        """
        rules: dict[str, Any] = {
            "generations": generations,
            "evaluations": evaluations,
            "minutes": minutes,
            "patience": patience,
        }
        settings = self.settings
        if any(rule is not None for rule in rules.values()):
            settings = replace(settings, **rules)
        if workers is not None or dask is not None:
            tls = settings.dask_tls if dask is not None else ()
            settings = replace(settings, workers=workers, dask=dask, dask_tls=tls)
        own = tuple(objectives) or self._own_objectives
        _check_own(self.study, settings, own)
        return run_study(
            settings,
            database=self.database,
            objectives=own,
            samplers=tuple(samplers) or self._own_samplers,
            on_progress=on_progress,
            on_notice=on_notice,
            accept_versions=accept_versions,
        )

    def __repr__(self) -> str:
        return (
            f"<study {self.study.name!r}: {len(self.measured)} evaluations of "
            f"{', '.join(self.study.objectives)} over space {self.study.space}, front of "
            f"{len(self.study.front(self.measured))}, hypervolume {self.hypervolume:.4f}>"
        )

    def _repr_html_(self) -> str:
        return front_html(self.study, self.measured, repr(self)[1:-1])


def run_study(
    settings: StudySettings,
    *,
    database: str | Path,
    objectives: Sequence[object] = (),
    samplers: Sequence[object] = (),
    on_progress: OnProgress | None = None,
    on_notice: Notify | None = None,
    accept_versions: bool = False,
) -> LoadedStudy:
    """Runs a study, or resumes it if the database holds it, and returns it with its evaluations.

    It prints nothing. It may be interrupted at any moment, e.g. by Ctrl-C: finished evaluations are stored,
    and the same call resumes to the same table as an uninterrupted run.

    Example:
        >>> from studies import StudySettings, run_study
        >>> settings = StudySettings(
        ...     objectives=("macs", "lat"), constraints=("vit_blocks>=2",), population=6, generations=2
        ... )
        >>> study = run_study(settings, database="studies.db", on_progress=print)
        generation 0: 0 evaluations, front 0, hypervolume 0.0000
        generation 1: 6 evaluations, front ..., hypervolume ...
        generation 2: 12 evaluations, front ..., hypervolume ..., stopped by generations
        >>> len(study.evaluations())
        12

    Args:
        settings: Settings of the study. `StudySettings.study` names the study.
        database: SQLite file of the study; created if it does not exist.
        objectives: User-defined objectives: objects that follow `Objective`. One that the settings do not
            name is added after the others.
        samplers: User-defined samplers: classes derived from `Sampler`. `StudySettings.sampler` names one by
            its attribute `name` or its class name.
        on_progress: Receives a `Progress` when the search starts, after each group of measured subnets, and
            after each generation, stored ones included.
        on_notice: Receives lines for the user: what is about to run, which images are used, where the study
            resumes.
        accept_versions: Whether a stored study may go on with other versions of libraries, or on another kind
            of processor. Proposals and cheap values of every stored row are then compared first, and each new
            row is stored with its software.

    Raises:
        H4HError: A setting, a file or an object is wrong, or the study cannot be resumed: something that
            decides its result has changed, or another process runs it.
    """
    plan = check(settings, Path(database), objectives=objectives, samplers=samplers)
    run_or_resume(plan, on_progress or _ignore, on_notice or _ignore, accept_versions=accept_versions)
    return _loaded(Path(database), plan.study, objectives, samplers)


def load_study(database: str | Path, name: str) -> LoadedStudy:
    """A stored study with its evaluations.

    Example:
        >>> from studies import StudySettings, load_study, run_study
        >>> settings = StudySettings(objectives=("macs", "lat"), population=6, generations=1, study="mine")
        >>> _ = run_study(settings, database="studies.db")
        >>> load_study("studies.db", "mine")
        <study 'mine': 6 evaluations of macs, lat over space cifar32, front of ...>

    Args:
        database: SQLite file of the study.
        name: Name of the study.

    Raises:
        StoreError: The database is missing or damaged.
        UnknownNameError: It holds no such study.
    """
    return _loaded(Path(database), name)


def _loaded(
    database: Path, name: str, objectives: Sequence[object] = (), samplers: Sequence[object] = ()
) -> LoadedStudy:
    with open_store(database) as store:
        return LoadedStudy(
            store.study(name), tuple(store.evaluations(name)), database, tuple(objectives), tuple(samplers)
        )


def _ignore(_: object) -> None:
    """Default receiver of progress and notices."""


def _check_own(study: Study, settings: StudySettings, objectives: Sequence[object]) -> None:
    """Names missing user-defined objectives of a study before their names count as unknown.

    Raises:
        H4HError: A user-defined objective of the study is missing.
    """
    names = {getattr(objective, "name", None) for objective in objectives}
    for name in settings.objectives:
        if name not in known_objectives() and not is_reference(name) and name not in names:
            code = study.fingerprint.get(f"{name}_code", "an object")
            raise H4HError(
                f"study {study.name!r} was made with an objective of your own, {name!r} ({code}): pass it, "
                f"as in resume(objectives=[...])"
            )
