"""Savings and losses of racing, which stops scoring subnets that can no longer reach the front.

    python -m benchmarks.search.racing_savings [--seeds N] [--search] [--cache FILE] [--json]

A search for acc, lat and energy scores all its subnets in full. Then the same subnets race in the same order,
by the code of the search itself. The correct images of each subnet are remembered, so everything costs one
evaluation.

| figure | meaning |
|---|---|
| `image_share` | images scored with racing, divided by images scored without |
| `work_share` | the same, including the images for batch-norm statistics that every subnet needs |
| `stopped` | share of subnets that stopped early |
| `wrongly_stopped` | share of subnets that stopped but would be on the final front |
| `above_bound` | share of subnets that stopped at a bound below their accuracy |
| `hypervolume` | hypervolume of the front without racing |
| `hypervolume_change` | change by racing in % |

With --search a second search races from the same seed. It sees bounds instead of accuracies and therefore
reaches other subnets, as a search with another seed would: `search_image_share`, `search_hypervolume_change`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import BadZipFile

import numpy as np
from rich.console import Console
from rich.table import Table

from objectives import Accuracy, CostModel, Energy, Latency, load_soc
from objectives.objective import Direction, ImageObjective, Objective, Stops, percent
from search_space import H4HError, Subnet, load_space
from search_space.arrays import Booleans, Floats
from search_space.command.command_line import Parser, run_command
from search_space.files.whole_file import whole_file
from studies import Evaluation, LoadedStudy, Study, StudySettings, run_study
from studies.search.evaluator import Evaluator
from studies.search.racing import Race
from studies.study.settings import DEFAULT_SPACE
from supernet.checkpoints import built_in_checkpoint
from supernet.images.evaluation_pack import built_in_pack, load_pack


class Remembered:
    """An accuracy that scores each subnet once on all images and then serves slices from memory.

    Args:
        objective: The accuracy that scores.
        cache: File that keeps the scores between runs; None for no file.

    Raises:
        H4HError: `cache` is not such a file, or holds scores of another oracle.
    """

    def __init__(self, objective: ImageObjective, cache: Path | None = None) -> None:
        self._objective = objective
        self._cache = cache
        self.known: dict[str, Booleans] = {}
        self.name, self.unit = objective.name, objective.unit
        self.direction: Direction = objective.direction
        self.depends_on = objective.depends_on
        self.follows_size = objective.follows_size
        self.depends_on = objective.depends_on
        self.follows_size = objective.follows_size
        self.is_expensive = True
        self.images, self.slice_images = objective.images, objective.slice_images
        self.fingerprint = objective.fingerprint
        if cache is not None and cache.exists():
            self._read(cache)

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        return np.array([percent(int(is_right.sum()), self.images) for is_right in self.right(subnets)])

    def right(self, subnets: Sequence[Subnet], stops: Stops | None = None) -> list[Booleans]:
        """As `ImageObjective`."""
        new = {subnet.digest: subnet for subnet in subnets if subnet.digest not in self.known}
        if new:
            self.known |= dict(zip(new, self._objective.right(list(new.values())), strict=True))
            if self._cache is not None:
                self._write(self._cache)
        return [self._until(place, self.known[subnet.digest], stops) for place, subnet in enumerate(subnets)]

    def _until(self, place: int, right: Booleans, stops: Stops | None) -> Booleans:
        if stops is not None:
            for seen in range(self.slice_images, self.images, self.slice_images):
                if stops(place, right[:seen]):
                    return right[:seen]
        return right

    def _oracle(self) -> str:
        return json.dumps(self.fingerprint(), sort_keys=True)

    def _read(self, cache: Path) -> None:
        try:
            with np.load(cache) as file:
                oracle, digests, bits = str(file["oracle"]), file["digests"], file["right"]
        except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
            raise H4HError(
                f"--cache {cache} is no file that this benchmark wrote: give another name"
            ) from error
        if oracle != self._oracle():
            raise H4HError(f"--cache {cache} holds what another oracle has scored: give another name")
        right = np.unpackbits(bits, axis=1, count=self.images).astype(np.bool_)
        self.known = dict(zip(digests.tolist(), right, strict=True))

    def _write(self, cache: Path) -> None:
        bits = np.packbits(np.stack(list(self.known.values())), axis=1)
        with whole_file(cache) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, oracle=self._oracle(), digests=list(self.known), right=bits)


def searched(settings: StudySettings, accuracy: ImageObjective, folder: Path) -> LoadedStudy:
    """The study of these settings in a new database, with `accuracy` as its acc."""
    path = folder / "studies.db"
    path.unlink(missing_ok=True)
    return run_study(settings, database=path, objectives=[accuracy])


def replayed(study: Study, rows: Sequence[Evaluation], objectives: Sequence[Objective]) -> list[Evaluation]:
    """The evaluations of a study again, in the same generations, with racing."""
    population, space = int(study.fingerprint["population"]), study.search_space
    evaluator = Evaluator(space, objectives, race=Race(space, objectives))
    front: list[Evaluation] = []
    raced: list[Evaluation] = []
    for start in range(0, len(rows), population):
        batch = {evaluation.index: evaluation.genotype for evaluation in rows[start : start + population]}
        for heat in evaluator.heats(batch):
            evaluations = [evaluation for chunk in evaluator.evaluate(heat, front) for evaluation in chunk]
            front = study.front([*front, *evaluations])
            raced += evaluations
    return sorted(raced, key=lambda evaluation: evaluation.index)


def compared(
    settings: StudySettings,
    accuracy: ImageObjective,
    costs: Sequence[Objective],
    *,
    is_searched: bool,
) -> dict[str, float]:
    """The figures of one seed.

    Args:
        settings: Settings of the search, whose first objective is acc.
        accuracy: Scores subnets.
        costs: The other objectives of the settings, in order.
        is_searched: Whether a search that races is compared as well.
    """
    objectives = (accuracy, *costs)
    with TemporaryDirectory() as folder:
        loaded = searched(settings, accuracy, Path(folder))
    study, whole = loaded.study, loaded.measured
    raced = replayed(study, whole, objectives)
    share = Race(study.search_space, objectives).share
    images, calibration = (int(study.fingerprint[name]) for name in ("val_images", "calibration_images"))
    stopped = [evaluation for evaluation in raced if evaluation.is_bound]
    # The accuracy is the first objective.
    below = [evaluation for evaluation in stopped if whole[evaluation.index].values[0] > evaluation.values[0]]  # type: ignore[operator]
    front = study.front(whole)
    volume = study.hypervolume(whole)
    figures = {
        "subnets": len(raced),
        "image_share": share(raced),
        "work_share": (share(raced) * images + calibration) / (images + calibration),
        "stopped": len(stopped) / len(raced),
        "wrongly_stopped": sum(whole[evaluation.index] in front for evaluation in stopped) / len(raced),
        "above_bound": len(below) / len(raced),
        "hypervolume": volume,
        "hypervolume_change": 100 * (study.hypervolume(raced) / volume - 1),
    }
    if is_searched:
        with TemporaryDirectory() as folder:
            evaluations = searched(replace(settings, racing=True), accuracy, Path(folder)).measured
        figures["search_image_share"] = share(evaluations)
        figures["search_hypervolume_change"] = 100 * (study.hypervolume(evaluations) / volume - 1)
    return figures


def main() -> None:
    """Runs the command."""
    parser = Parser(
        prog="python -m benchmarks.search.racing_savings", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="seeds 0 to N - 1")
    parser.add_argument("--search", action="store_true", help="run a second search with racing for each seed")
    parser.add_argument("--quick", action="store_true", help="3 generations of 12, 1024 images")
    parser.add_argument("--cache", type=Path, metavar="F", help="file that keeps the scores between runs")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.seeds, cache=options.cache, is_quick=options.quick, is_searched=options.search)
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    table = Table(title="racing against scoring in full")
    table.add_column("figure")
    for seed in range(len(figures["seeds"])):
        table.add_column(f"seed {seed}", justify="right")
    for name in figures["seeds"][0]:
        table.add_row(name, *(f"{seed[name]:.4g}" for seed in figures["seeds"]))
    Console().print(table)


def measure(seeds: int, *, cache: Path | None, is_quick: bool, is_searched: bool) -> dict[str, Any]:
    """The figures of all seeds, under ``seeds``."""
    settings = StudySettings(objectives=("acc", "lat", "energy"), sampler="nsga2")
    if is_quick:
        settings = replace(settings, generations=3, population=12, val_images=1024, calibration_images=256)
    space = load_space(DEFAULT_SPACE)
    # Racing asks for images slice by slice, which only an oracle in this process can be asked for.
    accuracy = Accuracy(
        checkpoint=built_in_checkpoint(space.name),
        space=space,
        pack=load_pack(built_in_pack()),
        val_images=settings.val_images,
        calibration_images=settings.calibration_images,
    )
    costs = CostModel(load_soc(settings.hardware))
    remembered = Remembered(accuracy, cache)
    return {
        "seeds": [
            compared(
                replace(settings, seed=seed),
                remembered,
                (Latency(costs), Energy(costs)),
                is_searched=is_searched,
            )
            for seed in range(seeds)
        ]
    }


if __name__ == "__main__":
    run_command(main)
