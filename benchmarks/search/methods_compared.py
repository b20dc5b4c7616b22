"""Comparison of search methods: hypervolume of the front after equally many evaluations.

    python -m benchmarks.search.methods_compared [--accuracies measured] [--json]

The objectives are `acc,lat,energy` over `cifar32` on `u55-256-cim8`. Each method of `search_methods.py`
searches from the same seeds. A network that a method asks for again counts again.

| figure | meaning |
|---|---|
| `hypervolume` | of all networks evaluated so far, in the box of a study: median, minimum, maximum |
| `ahead` | share of the seeds in which our method is ahead of the other |
| `mean_gain` | mean gain in hypervolume |
| `p` | one-sided Wilcoxon signed-rank test over pairs of equal seeds |
| `holm_p` | the same, corrected for the number of printed comparisons (Holm 1979); target: below 0.05 |
| `effect` | matched-pairs rank-biserial correlation: 1 if ours is ahead in all seeds, -1 if in none |
| `repeated` | mean number of evaluations per run of networks that the run had evaluated before |
| `choosing_s` | mean CPU seconds that the method itself takes for a run |

Accuracies come from the stand-in of `accuracy_table.py`, or with ``--accuracies measured`` from the shipped
weights on real images. The searches of a method run side by side, so that the networks of all seeds are
measured together, which changes no value. Measured accuracies and finished searches are stored: rerun the
command to resume. After a change of code, searches run again with the stored accuracies.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.search.accuracy_table import AccuracyOf, AccuracyTable, fit_stand_in
from benchmarks.search.measured_accuracy import MeasuredAccuracy
from benchmarks.search.search_methods import METHODS, OURS, Search, check_method, start
from benchmarks.search.surrogate_savings import Bench
from benchmarks.search.value_cache import KeptValues
from search_space.arrays import Floats
from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from search_space.errors import H4HError
from search_space.files.cache_folder import cache_folder
from search_space.genotype import Genotype
from studies.analysis.significance import holm
from studies.study.hypervolume import hypervolume
from studies.study.pareto_front import losses

EVALUATIONS = (200, 500)
SIGNIFICANT = 0.05
REPORTED = 24
"""Minimum number of evaluations between two lines of progress."""
SOURCES = ("benchmarks", "objectives", "search_space", "studies")
PACKAGES = ("moocore", "numpy", "optuna", "pymoo", "scipy", "torch")


@dataclass(frozen=True)
class Record:
    """One finished search.

    Attributes:
        method: Its name.
        seed: Its seed.
        hypervolumes: Hypervolume after each of the requested numbers of evaluations.
        repeated: Evaluations of networks that were evaluated before.
        choosing_s: CPU seconds of the method itself, without measurements.
    """

    method: str
    seed: int
    hypervolumes: tuple[float, ...]
    repeated: int
    choosing_s: float


@dataclass
class _Running:
    """A running search."""

    seed: int
    search: Search
    proposed: list[Genotype] = field(default_factory=list)
    genotypes: list[Genotype] = field(default_factory=list)
    values: list[Floats] = field(default_factory=list)
    choosing_s: float = 0.0

    def ask(self, bench: Bench, most: int) -> None:
        """Tells the values of the last networks and asks for at most `most` new ones."""
        begun = time.process_time()
        try:
            proposed = self.search.send(self.values[-1]) if self.values else next(self.search)
        except StopIteration:
            proposed = []
        self.choosing_s += time.process_time() - begun
        self.proposed = [
            bench.space.canonical(genotype) for genotype in proposed[: most - len(self.genotypes)]
        ]

    def tell(self, bench: Bench, known: Mapping[Genotype, float]) -> None:
        """Stores the accuracies of the requested networks."""
        accuracies = np.array([known[genotype] for genotype in self.proposed])
        self.values.append(bench.values(self.proposed, accuracies))
        self.genotypes += self.proposed

    def hypervolume(self, bench: Bench, count: int) -> float:
        """Hypervolume after the first `count` evaluations."""
        values = np.concatenate(self.values)[:count]
        return hypervolume(losses(values, bench.study.directions), *bench.study.box)


def searched(
    method: str,
    bench: Bench,
    accuracy: AccuracyOf,
    *,
    seeds: Sequence[int],
    evaluations: Sequence[int],
    console: Console,
) -> list[Record]:
    """Searches by `method` from each of `seeds`, side by side, with `max(evaluations)` evaluations each."""
    most, done, begun = max(evaluations), 0, time.monotonic()
    runs = [_Running(seed, start(method, bench, seed)) for seed in seeds]
    active = list(runs)
    while active:
        for run in active:
            run.ask(bench, most)
        wanted = sorted({genotype for run in active for genotype in run.proposed})
        known = dict(zip(wanted, accuracy(wanted).tolist(), strict=True)) if wanted else {}
        active = [run for run in active if run.proposed]
        for run in active:
            run.tell(bench, known)
        active = [run for run in active if len(run.genotypes) < most]
        before, done = done, min(len(run.genotypes) for run in runs)
        if done // REPORTED > before // REPORTED or not active:
            now = float(np.mean([run.hypervolume(bench, most) for run in runs]))
            console.print(
                f"{method}: {done} of {most} evaluations for {len(runs)} seeds, hypervolume {now:.4f}, "
                f"{time.monotonic() - begun:.0f} s",
                highlight=False,
                soft_wrap=True,
            )
    return [
        Record(
            method=method,
            seed=run.seed,
            hypervolumes=tuple(run.hypervolume(bench, count) for count in evaluations),
            repeated=len(run.genotypes) - len(set(run.genotypes)),
            choosing_s=run.choosing_s,
        )
        for run in runs
    ]


def records(
    methods: Sequence[str],
    bench: Bench,
    accuracy: AccuracyOf,
    stored_values: KeptValues,
    *,
    seeds: int,
    evaluations: Sequence[int],
    console: Console,
) -> list[Record]:
    """The searches of all `methods` with seeds 0 to `seeds` - 1; stored searches do not run again."""
    results: list[Record] = []
    for method in methods:
        names = {seed: f"{method} {seed}" for seed in range(seeds)}
        known = stored_values.read()
        missing = [seed for seed, name in names.items() if name not in known]
        if missing:
            new = searched(method, bench, accuracy, seeds=missing, evaluations=evaluations, console=console)
            stored_values.write({names[record.seed]: asdict(record) for record in new})
            known = stored_values.read()
        else:
            console.print(f"{method}: kept from before", highlight=False)
        rows = [known[name] for name in names.values()]
        results += [Record(**row | {"hypervolumes": tuple(row["hypervolumes"])}) for row in rows]
    return results


def summary(results: Sequence[Record], evaluations: Sequence[int]) -> list[dict[str, Any]]:
    """Median, minimum and maximum over the searches of each method."""
    result = []
    for method, group in _by_method(results).items():
        columns = zip(*(record.hypervolumes for record in group), strict=True)
        volumes = {
            str(count): {"median": float(np.median(column)), "least": min(column), "most": max(column)}
            for count, column in zip(evaluations, columns, strict=True)
        }
        repeated = float(np.mean([record.repeated for record in group]))
        choosing_s = float(np.mean([record.choosing_s for record in group]))
        result.append(
            {"method": method, "hypervolume": volumes, "repeated": repeated, "choosing_s": choosing_s}
        )
    return result


def comparisons(results: Sequence[Record], evaluations: Sequence[int]) -> list[dict[str, Any]]:
    """Comparison of each of our methods with each other method, after each number of evaluations."""
    groups = _by_method(results)
    result: list[dict[str, Any]] = []
    for ours in (method for method in OURS if method in groups):
        for rival in (method for method in groups if method not in OURS):
            for place, count in enumerate(evaluations):
                pairs = zip(groups[ours], groups[rival], strict=True)
                gains = np.array([a.hypervolumes[place] - b.hypervolumes[place] for a, b in pairs])
                result.append({"ours": ours, "rival": rival, "evaluations": count, **signed_ranks(gains)})
    for row, holm_p in zip(result, holm([row["p"] for row in result]), strict=True):
        row["holm_p"] = holm_p
    return result


def _by_method(results: Sequence[Record]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    for record in results:
        groups.setdefault(record.method, []).append(record)
    return groups


def signed_ranks(gains: Floats) -> dict[str, float]:
    """Mean of gains (n,), share above 0, Wilcoxon's p and rank-biserial correlation."""
    from scipy.stats import rankdata, wilcoxon  # takes half a second to import

    moved = gains[gains != 0]
    ranks = rankdata(np.abs(moved))
    return {
        "ahead": float((gains > 0).mean()),
        "mean_gain": float(gains.mean()),
        "p": float(wilcoxon(moved, alternative="greater").pvalue) if len(moved) else 1.0,
        "effect": float((ranks * np.sign(moved)).sum() / ranks.sum()) if len(moved) else 0.0,
    }


def code_digest() -> str:
    """SHA-256 of all code and tables that decide the course of a search."""
    sha = hashlib.sha256()
    root = Path(__file__).parents[2]
    for folder in SOURCES:
        for file in sorted((root / folder).rglob("*")):
            if file.suffix in {".py", ".yaml", ".csv"}:
                sha.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes())
    sha.update(json.dumps([version(package) for package in PACKAGES]).encode())
    return sha.hexdigest()


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Raises:
        H4HError: An option has a value that is not allowed, or the file of `--cache` cannot be used.
    """
    parser = Parser(
        prog="python -m benchmarks.search.methods_compared", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("--accuracies", choices=("stand-in", "measured"), default="stand-in")
    add("--methods", default=",".join(METHODS), metavar="A,B,...", help="default: %(default)s")
    add("--seeds", type=int, default=10, metavar="N", help="seeds 0 to N - 1 (default: %(default)s)")
    add("--evaluations", default=",".join(map(str, EVALUATIONS)), metavar="N,M", help="default: %(default)s")
    add(
        "--val-images",
        type=int,
        metavar="N",
        help="number of images that score a subnet (default: as in a study)",
    )
    add(
        "--calibration-images",
        type=int,
        metavar="N",
        help="number of images for batch-norm statistics (default: as in a study)",
    )
    add("--workers", type=int, metavar="N", help="number of processes that measure (default: one per core)")
    add(
        "--cache",
        type=Path,
        default=cache_folder() / "search.db",
        metavar="FILE",
        help="file of accuracies and finished searches (default: in the cache folder)",
    )
    add("--json", action="store_true")
    options = parser.parse_args(arguments)
    methods, evaluations = check(options)
    console = Console(stderr=True)
    bench = Bench.of("cifar32", "u55-256-cim8")
    with ExitStack() as stack:
        accuracy: AccuracyOf
        if options.accuracies == "measured":
            accuracy = measured = stack.enter_context(
                MeasuredAccuracy(
                    bench.space.networks,
                    file=options.cache,
                    val_images=options.val_images,
                    calibration_images=options.calibration_images,
                    workers=options.workers or len(os.sched_getaffinity(0)),
                )
            )
            about: dict[str, Any] = {"kind": "measured", **measured.decides}
        else:
            stand_in = fit_stand_in(bench.space.networks, AccuracyTable.load())
            accuracy = stand_in.accuracy
            quality = {"error": stand_in.error, "rank_correlation": stand_in.rank_correlation}
            about = {"kind": "stand-in", "cross_validated": quality}
        circumstances = {"accuracies": about["kind"], "evaluations": evaluations, "code": code_digest()}
        decides = circumstances | (measured.decides if options.accuracies == "measured" else {})
        stored_values = KeptValues(options.cache, decides)
        results = records(
            methods,
            bench,
            accuracy,
            stored_values,
            seeds=options.seeds,
            evaluations=evaluations,
            console=console,
        )
    result = {
        "accuracies": about,
        "seeds": options.seeds,
        "evaluations": evaluations,
        "methods": summary(results, evaluations),
        "comparisons": comparisons(results, evaluations),
        "runs": [asdict(record) for record in results],
    }
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        print_tables(result)


def check(options: Namespace) -> tuple[list[str], list[int]]:
    """The methods and numbers of evaluations that `options` name, in order.

    Raises:
        H4HError: An option has a value that is not allowed.
    """
    methods = list(dict.fromkeys(options.methods.split(",")))
    for method in methods:
        check_method(method)
    counts = options.evaluations.split(",")
    if not all(count.isdecimal() and int(count) > 0 for count in counts):
        raise H4HError(
            f"--evaluations must be positive integers joined by commas, but got {options.evaluations!r}"
        )
    for name in ("seeds", "val_images", "calibration_images", "workers"):
        value, option = getattr(options, name), f"--{name.replace('_', '-')}"
        if value is not None and value < 1:
            raise H4HError(f"{option} must be at least 1, but got {value}")
        if value is not None and name != "seeds" and options.accuracies != "measured":
            raise H4HError(f"{option} is for measured accuracies: add --accuracies measured, or leave it out")
    return methods, sorted(set(map(int, counts)))


def print_tables(result: Mapping[str, Any]) -> None:
    """Prints the figures as tables."""
    about = result["accuracies"]
    if about["kind"] == "measured":
        kind = f"measured on {about['val_images']} images"
    else:
        kind = f"of the stand-in, {about['cross_validated']['error']:.2f} points off"
    shown = Table(title=f"hypervolume, {result['seeds']} seeds, accuracies {kind}")
    shown.add_column("method")
    for name in (*(f"after {count}" for count in result["evaluations"]), "repeated", "CPU s"):
        shown.add_column(name, justify="right")
    for row in result["methods"]:
        volumes = [
            f"{spread['median']:.4f} ({spread['least']:.4f} to {spread['most']:.4f})"
            for spread in row["hypervolume"].values()
        ]
        shown.add_row(row["method"], *volumes, f"{row['repeated']:.1f}", f"{row['choosing_s']:.1f}")
    print_wide(shown)
    if not result["comparisons"]:
        return
    tests = Table(title=f"ahead with p < {SIGNIFICANT} is wanted, Holm's p of {len(result['comparisons'])}")
    tests.add_column("ours")
    tests.add_column("other")
    for name in ("after", "ahead", "gain", "p", "Holm's p", "effect"):
        tests.add_column(name, justify="right")
    for row in result["comparisons"]:
        numbers = (f"{row['mean_gain']:+.4f}", f"{row['p']:.2g}", f"{row['holm_p']:.2g}")
        cells = (str(row["evaluations"]), f"{row['ahead']:.0%}", *numbers, f"{row['effect']:+.2f}")
        is_wanted = row["mean_gain"] > 0 and row["holm_p"] < SIGNIFICANT
        tests.add_row(row["ours"], row["rival"], *cells, style="" if is_wanted else "bold red")
    print_wide(tests)


if __name__ == "__main__":
    run_command(main)
