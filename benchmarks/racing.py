"""What racing costs and spares: `python -m benchmarks.racing [--seeds N] [--quick] [--json]`.

A search for acc, lat and energy with and without --racing, from the same seed. What each subnet is right on is
computed once for all images and served to both searches slice by slice, so that both together cost one
evaluation per distinct subnet; who stops and when is decided by the code of the search itself.

| figure | what |
|---|---|
| `image_share` | images that subnets of the racing search were scored on, of those without racing |
| `work_share` | the same with the images for batch-norm statistics, which every subnet needs |
| `stopped` | share of subnets that stopped early |
| `wrongly_stopped` | share of subnets that stopped though they were no less accurate than their rival |
| `above_bound` | share of subnets that stopped at a bound below their accuracy |
| `hypervolume`, `racing_hypervolume` | of the two fronts |
| `hypervolume_change` | of racing, in % |
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

import numpy as np
from rich.console import Console
from rich.table import Table

from objectives.objective import BoolArray, Direction, FloatArray, ImageObjective, Stops, percent
from search_space.command_line import Parser, run_command
from search_space.subnet import Subnet
from studies import run
from studies.evaluation import Evaluation
from studies.store import open_store
from studies.study import Study


class Remembered:
    """An accuracy that scores each subnet once, on all images, and serves slices of that."""

    def __init__(self, objective: ImageObjective) -> None:
        self._objective = objective
        self.known: dict[Subnet, BoolArray] = {}
        self.stopped: dict[Subnet, bool] = {}
        self.name, self.unit = objective.name, objective.unit
        self.direction: Direction = objective.direction
        self.is_expensive = True
        self.images, self.slice_images = objective.images, objective.slice_images
        self.fingerprint = objective.fingerprint

    def __call__(self, subnets: Sequence[Subnet]) -> FloatArray:
        return np.array([percent(int(one.sum()), self.images) for one in self.right(subnets)])

    def right(self, subnets: Sequence[Subnet], stops: Stops | None = None) -> list[BoolArray]:
        """As `ImageObjective`."""
        new = [subnet for subnet in subnets if subnet not in self.known]
        self.known |= dict(zip(new, self._objective.right(new), strict=True))
        return [self._until(place, self.known[subnet], stops) for place, subnet in enumerate(subnets)]

    def _until(self, place: int, right: BoolArray, stops: Stops | None) -> BoolArray:
        if stops is not None:
            for seen in range(self.slice_images, self.images, self.slice_images):
                if stops(place, right[:seen]):
                    return right[:seen]
        return right


def searched(
    arguments: Sequence[str], objectives: run.Objectives, folder: Path
) -> tuple[Study, list[Evaluation]]:
    """The study of a command line, with its evaluations."""
    path = folder / "studies.db"
    path.unlink(missing_ok=True)
    plan = run.check(run.parser().parse_args([*arguments, "--db", str(path)]))
    with redirect_stdout(StringIO()):
        run.run(plan, objectives, Console(quiet=True))
    with open_store(path) as store:
        (study,) = store.studies()
        return study, store.evaluations(study.name)


def compared(arguments: Sequence[str], objectives: run.Objectives, accuracy: Remembered) -> dict[str, Any]:
    """The figures of one seed."""
    with TemporaryDirectory() as folder:
        study, whole = searched(arguments, objectives, Path(folder))
        _, raced = searched([*arguments, "--racing"], objectives, Path(folder))
    space = run.check(run.parser().parse_args(arguments)).space
    calibrated_on = int(study.fingerprint["calibration_images"])
    images = accuracy.images
    seen = [one.stopped_after or images for one in raced]
    exact = {one.index: percent(int(accuracy.known[space.decode(one.genotype)].sum()), images) for one in raced}
    stopped = [one for one in raced if one.is_bound]
    # A wrongly stopped subnet would have been on the front of what was evaluated before it.
    truth = [replace(one, values=(exact[one.index], *one.values[1:]), stopped_after=None) for one in raced]
    before, after = study.hypervolume(whole), study.hypervolume(raced)
    return {
        "subnets": len(raced),
        "image_share": sum(seen) / (images * len(raced)),
        "work_share": sum(one + calibrated_on for one in seen) / ((images + calibrated_on) * len(raced)),
        "stopped": len(stopped) / len(raced),
        "wrongly_stopped": sum(truth[one.index] in study.front(truth) for one in stopped) / len(raced),
        "above_bound": sum(exact[one.index] > (one.values[0] or 0.0) for one in stopped) / len(raced),
        "hypervolume": before,
        "racing_hypervolume": after,
        "hypervolume_change": 100 * (after / before - 1),
    }


def main() -> None:
    """Prints the figures."""
    parser = Parser(prog="python -m benchmarks.racing", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="seeds 0 to N - 1")
    parser.add_argument("--quick", action="store_true", help="3 generations of 12, 1024 images")
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
    quick = ["--generations", "3", "--population", "12", "--val-images", "1024", "--calibration-images", "256"]
    arguments = ["--objectives", "acc,lat,energy", *(quick if options.quick else [])]
    made = run.make_objectives(run.check(run.parser().parse_args(arguments)))
    accuracy, *others = made.goals
    assert isinstance(accuracy, ImageObjective)
    remembered = Remembered(accuracy)
    objectives = replace(made, goals=(remembered, *others))
    return {
        "seeds": [
            compared([*arguments, "--seed", str(seed)], objectives, remembered)
            for seed in range(options.seeds)
        ]
    }


if __name__ == "__main__":
    run_command(main)
