"""Accuracies of genotypes by the shipped supernet, each measured once and kept in a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.search.value_cache import KeptValues
from objectives.workers.shared_objective import SharedObjective, shared
from search_space.arrays import Floats
from search_space.files.cache_folder import cache_folder
from search_space.genotype import Genotype
from search_space.space import Space
from supernet.checkpoints import built_in_checkpoint

BATCH = 20
"""Subnets per worker between two writes of the file, from which an interrupted run resumes."""


class MeasuredAccuracy:
    """Accuracies in %, measured unless the file holds them. A context manager.

    Args:
        space: The search space of the genotypes.
        file: File of the accuracies; default: in the user's cache folder.
        val_images: Images that score a subnet; default: as in a study.
        calibration_images: Images for its batch-norm statistics; default: as in a study.
        workers: Number of processes; does not change values.

    Attributes:
        decides: Everything that an accuracy depends on except the genotype.
        measured: Number of accuracies that this object measured.

    Raises:
        H4HError: No checkpoint is shipped for `space`, there are too few images, or the file cannot be
            used.
    """

    def __init__(
        self,
        space: Space,
        *,
        file: Path | None = None,
        val_images: int | None = None,
        calibration_images: int | None = None,
        workers: int = 1,
    ) -> None:
        checkpoint = built_in_checkpoint(space.name)
        from objectives.accuracy_objective import Accuracy  # torch takes seconds to import
        from supernet.images.evaluation_pack import built_in_pack, load_pack

        self._space = space
        oracle = Accuracy(
            checkpoint=checkpoint,
            space=space,
            pack=load_pack(built_in_pack()),
            val_images=val_images,
            calibration_images=calibration_images,
        )
        self.decides = {**oracle.fingerprint(), "space": space.digest, "value": "accuracy"}
        self._stored = KeptValues(file or cache_folder() / "accuracies.db", self.decides)
        self._known: dict[str, float] = self._stored.read()
        self._oracle = shared(oracle, workers=workers)
        self._batch = BATCH * workers
        self.measured = 0

    def __enter__(self) -> MeasuredAccuracy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(self._oracle, SharedObjective):
            self._oracle.close()

    def __call__(self, genotypes: Sequence[Genotype]) -> Floats:
        """Accuracies (n,) of n genotypes."""
        canonical = [self._space.canonical(genotype) for genotype in genotypes]
        names = [",".join(map(str, genotype)) for genotype in canonical]
        new = {name: genes for name, genes in zip(names, canonical, strict=True) if name not in self._known}
        # Those that begin alike together: the oracle computes once what they have in common.
        pairs = sorted(new.items(), key=lambda pair: pair[1])
        starts = range(0, len(pairs), self._batch)
        console = Console(stderr=True)
        for start in track(starts, "accuracy", console=console, transient=True, disable=len(starts) < 2):
            batch = pairs[start : start + self._batch]
            values = self._oracle([self._space.decode(genes) for _, genes in batch])
            measured = {name: float(value) for (name, _), value in zip(batch, values, strict=True)}
            self._stored.write(measured)
            self._known |= measured
            self.measured += len(measured)
        return np.array([self._known[name] for name in names], dtype=np.float64)


def measured_accuracy(space: Space, genotypes: Sequence[Genotype]) -> Floats:
    """Accuracies in % (n,) of n genotypes, measured and stored by a `MeasuredAccuracy` with its defaults.

    Raises:
        H4HError: As `MeasuredAccuracy`.
    """
    with MeasuredAccuracy(space) as accuracy:
        return accuracy(genotypes)
