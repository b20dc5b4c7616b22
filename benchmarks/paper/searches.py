"""Searches of the comparison: one study for each chip, cost and seed, all in one database.

A study's name ends in a digest of everything that voids a run: the numbers of its chip, the cost model, the
weights, the images. So a changed chip begins new studies, which reuse all measured accuracies, and nothing
in the database is mixed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.paper.protocol import MAPPING, PRECISION, Cost
from objectives.hardware import CostModel, SoC, load_soc
from search_space.space import Space
from studies.launch.plan_objects import Notify
from studies.launch.run_study import run_study
from studies.storage.store import open_store
from studies.study.constraint import CHIP_LIMIT
from studies.study.evaluation import Evaluation
from studies.study.settings import StudySettings
from studies.study.study import Study
from supernet.checkpoints.tensor_file import file_digest

RANDOM = "random"
"""Name of the sampler that draws networks for the baseline."""
NSGA2 = "nsga2"


@dataclass(frozen=True)
class Search:
    """One search.

    Attributes:
        chip: Name of the chip.
        cost: What is minimised beside the accuracy that is maximised.
        seed: Seed of the search.
        sampler: `NSGA2`, or `RANDOM` for the baseline.
    """

    chip: str
    cost: Cost
    seed: int
    sampler: str = NSGA2


@dataclass(frozen=True)
class Searched:
    """A finished search.

    Attributes:
        study: Its study.
        evaluations: Its evaluations, in order.
    """

    study: Study
    evaluations: tuple[Evaluation, ...]

    def front(self, evaluations: int | None = None) -> list[Evaluation]:
        """Front after the first `evaluations`, on the search split; of all of them by default."""
        return self.study.front(self.evaluations[:evaluations])


@dataclass(frozen=True)
class Searches:
    """Runs and resumes the searches of one database.

    Attributes:
        database: File of the studies.
        space: The networks.
        checkpoint: The supernet.
        data: Folder of the images; None for the images in the repository.
        val_images: Search images that score a network; None for the default.
        workers: Processes that measure; None for one per core.
        device: Device that measures accuracy.
        notify: Is told what runs.
    """

    database: Path
    space: Space
    checkpoint: Path
    data: Path | None
    val_images: int | None
    workers: int | None
    device: str
    notify: Notify

    def settings(self, search: Search, evaluations: int, space: str | None) -> StudySettings:
        """Settings of the study of a search.

        Args:
            search: The search.
            evaluations: Its budget.
            space: Name or file of the search space; None for that of the checkpoint.

        Raises:
            H4HError: There is no such chip, or a setting is not allowed.
        """
        soc = chip(search.chip)
        return StudySettings(
            objectives=("acc", search.cost),
            space=space,
            hardware=search.chip,
            constraints=(CHIP_LIMIT,),
            mapping=MAPPING[search.cost],
            sampler=search.sampler,
            seed=search.seed,
            evaluations=evaluations,
            checkpoint=self.checkpoint,
            data=self.data,
            val_images=self.val_images,
            device=self.device,
            precision=PRECISION,
            workers=self.workers,
            study=self.name(search, soc),
        )

    def name(self, search: Search, soc: SoC) -> str:
        """Name of the study of a search."""
        decides = {
            **CostModel(soc, MAPPING[search.cost]).fingerprint(),
            "constraint": CHIP_LIMIT,
            "space": self.space.digest,
            "checkpoint": file_digest(self.checkpoint),
            "data": None if self.data is None else str(self.data),
            "val_images": self.val_images,
            "device": self.device,
        }
        key = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:8]
        kind = f"{RANDOM}-" if search.sampler == RANDOM else ""
        return f"{search.chip}-{kind}{search.cost}-s{search.seed}-{key}"

    def run(self, search: Search, evaluations: int, space: str | None) -> Searched:
        """The search with `evaluations`; runs what the database lacks of it.

        A search that went further is cut, so that all chips have the same budget.

        Raises:
            H4HError: It cannot be run, or the database is damaged.
        """
        settings = self.settings(search, evaluations, space)
        assert settings.study is not None
        found = self._stored(settings.study)
        if found is None or len(found.evaluations) < evaluations:
            self.notify(f"{search.chip}, {search.sampler}, acc,{search.cost}, seed {search.seed} ...")
            loaded = run_study(settings, database=self.database)
            found = Searched(loaded.study, loaded.measured)
            best = max(one.values[0] or 0.0 for one in found.front())
            self.notify(
                f"{settings.study}: {len(found.evaluations)} evaluations, front of {len(found.front())}, "
                f"best {best:.2f} % on the search split"
            )
        return Searched(found.study, found.evaluations[:evaluations])

    def _stored(self, name: str) -> Searched | None:
        if not self.database.exists():
            return None
        with open_store(self.database) as store:
            study = store.find(name)
            return None if study is None else Searched(study, tuple(store.evaluations(name)))


@cache
def chip(name: str) -> SoC:
    """A built-in chip, read once.

    Raises:
        UnknownNameError: There is no such chip.
    """
    return load_soc(name)
