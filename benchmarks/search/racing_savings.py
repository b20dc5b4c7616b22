"""What racing spares and what it loses: `python -m benchmarks.search.racing_savings [--seeds N] [--cache F] [--json]`.

A search for acc, lat and energy scores all its subnets in full. Then the same subnets race in the same
order, by the code of the search itself; what each is right on is remembered, so that it costs one evaluation
in all.

| figure | what |
|---|---|
| `image_share` | images that the racing subnets were scored on, of those without racing |
| `work_share` | the same with the images for batch-norm statistics, which every subnet needs |
| `stopped` | share of subnets that stopped early |
| `wrongly_stopped` | share of subnets that stopped and would be on the front at the end |
| `above_bound` | share of subnets that stopped at a bound below their accuracy |
| `hypervolume` | of the front without racing |
| `hypervolume_change` | what racing makes of it, in % |

With --search a second search races from the same seed. It is told bounds, and so comes to other subnets, as
one with another seed does: `search_image_share`, `search_hypervolume_change`.
"""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import BadZipFile

import numpy as np
from rich.console import Console
from rich.table import Table

from objectives.objective import Direction, ImageObjective, Stops, percent
from search_space.arrays import Booleans, Floats
from search_space.command.command_line import Parser, run_command
from search_space.errors import H4HError
from search_space.files.whole_file import whole_file
from search_space.space import Space
from search_space.subnet import Subnet
from studies.launch.assembly import Objectives, make_objectives
from studies.launch.plan import planned
from studies.launch.run_study import run
from studies.search.evaluator import Evaluator
from studies.search.racing import Race
from studies.storage.store import open_store
from studies.study.evaluation import Evaluation
from studies.study.study import Study


class Remembered:
    """An accuracy that scores each subnet once, on all images, and serves slices of that.

    Args:
        objective: What scores.
        cache: A file that keeps what is known from one run to the next, if one is to.

    Raises:
        H4HError: `cache` holds something else, or what another oracle has scored.
    """

    def __init__(self, objective: ImageObjective, cache: Path | None = None) -> None:
        self._objective = objective
        self._cache = cache
        self.known: dict[str, Booleans] = {}
        self.name, self.unit = objective.name, objective.unit
        self.direction: Direction = objective.direction
        self.is_expensive = True
        self.images, self.slice_images = objective.images, objective.slice_images
        self.fingerprint = objective.fingerprint
        if cache is not None and cache.exists():
            self._read(cache)

    def __call__(self, subnets: Sequence[Subnet]) -> Floats:
        return np.array([percent(int(one.sum()), self.images) for one in self.right(subnets)])

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


def searched(
    arguments: Sequence[str], objectives: Objectives, folder: Path
) -> tuple[Study, list[Evaluation]]:
    """The study of a command line, with its evaluations."""
    path = folder / "studies.db"
    path.unlink(missing_ok=True)
    plan = planned([*arguments, "--db", str(path)])
    with redirect_stdout(StringIO()):
        run(plan, objectives, Console(quiet=True))
    with open_store(path) as store:
        (study,) = store.studies()
        return study, store.evaluations(study.name)


def replayed(
    study: Study, rows: Sequence[Evaluation], objectives: Objectives, space: Space
) -> list[Evaluation]:
    """The evaluations of a study again, in the same generations, with racing."""
    population = int(study.fingerprint["population"])
    evaluator = Evaluator(space, objectives.goals, race=Race(space, objectives.goals))
    front: list[Evaluation] = []
    raced: list[Evaluation] = []
    for start in range(0, len(rows), population):
        batch = {one.index: one.genotype for one in rows[start : start + population]}
        for heat in evaluator.heats(batch):
            found = [one for chunk in evaluator.evaluate(heat, front) for one in chunk]
            front = study.front([*front, *found])
            raced += found
    return sorted(raced, key=lambda one: one.index)


def compared(arguments: Sequence[str], objectives: Objectives, *, is_searched: bool) -> dict[str, float]:
    """The figures of one seed."""
    space = planned(arguments).space
    with TemporaryDirectory() as folder:
        study, whole = searched(arguments, objectives, Path(folder))
    raced = replayed(study, whole, objectives, space)
    share = Race(space, objectives.goals).share
    images, calibration = (int(study.fingerprint[name]) for name in ("val_images", "calibration_images"))
    stopped = [one for one in raced if one.is_bound]
    # The accuracy is the first objective.
    below = [one for one in stopped if whole[one.index].values[0] > one.values[0]]  # type: ignore[operator]
    front = study.front(whole)
    volume = study.hypervolume(whole)
    figures = {
        "subnets": len(raced),
        "image_share": share(raced),
        "work_share": (share(raced) * images + calibration) / (images + calibration),
        "stopped": len(stopped) / len(raced),
        "wrongly_stopped": sum(whole[one.index] in front for one in stopped) / len(raced),
        "above_bound": len(below) / len(raced),
        "hypervolume": volume,
        "hypervolume_change": 100 * (study.hypervolume(raced) / volume - 1),
    }
    if is_searched:
        with TemporaryDirectory() as folder:
            _, found = searched([*arguments, "--racing"], objectives, Path(folder))
        figures["search_image_share"] = share(found)
        figures["search_hypervolume_change"] = 100 * (study.hypervolume(found) / volume - 1)
    return figures


def main() -> None:
    """Prints the figures."""
    parser = Parser(
        prog="python -m benchmarks.search.racing_savings", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="seeds 0 to N - 1")
    parser.add_argument("--search", action="store_true", help="a search that races as well, for each seed")
    parser.add_argument("--quick", action="store_true", help="3 generations of 12, 1024 images")
    parser.add_argument("--cache", type=Path, metavar="F", help="keeps what subnets are right on")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options)
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    table = Table(title="racing against scoring in full")
    table.add_column("figure")
    for seed in range(len(figures["seeds"])):
        table.add_column(f"seed {seed}", justify="right")
    for name in figures["seeds"][0]:
        table.add_row(name, *(f"{one[name]:.4g}" for one in figures["seeds"]))
    Console().print(table)


def measure(options: Namespace) -> dict[str, Any]:
    """The figures of all seeds, under ``seeds``."""
    quick = [
        "--generations",
        "3",
        "--population",
        "12",
        "--val-images",
        "1024",
        "--calibration-images",
        "256",
    ]
    arguments = ["--objectives", "acc,lat,energy", *(quick if options.quick else [])]
    # Racing asks for images slice by slice, which only an oracle in this process can be asked for.
    made = make_objectives(planned([*arguments, "--workers", "1"]))
    accuracy, *others = made.goals
    assert isinstance(accuracy, ImageObjective)
    remembered = Remembered(accuracy, options.cache)
    objectives = replace(made, goals=(remembered, *others))
    seeds = [[*arguments, "--seed", str(seed)] for seed in range(options.seeds)]
    return {"seeds": [compared(seed, objectives, is_searched=options.search) for seed in seeds]}


if __name__ == "__main__":
    run_command(main)
