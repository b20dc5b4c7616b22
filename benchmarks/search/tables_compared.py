"""Comparison of search methods on tables with known fronts: regret in hypervolume, ours beside others.

    H4H_TEST_DATA=DIR python -m benchmarks.search.tables_compared [--tables macro,own,noisy] [--json]

DIR holds ``nas-bench-macro/nas-bench-macro_cifar10.json``; without it, only the table `own` is judged. The
tables stand in `judging_tables.py`, the methods in `table_methods.py`. Everything below was fixed before the
first figure was looked at.

* **Seeds** 0 to 19 for every method.
* **Regret** after 48, 96, 192 and 384 evaluations: 1 - hypervolume of the evaluated networks / hypervolume of
  the table's true front, in the box `linear` and in the box `log`.
* **Judged** is `--judge`, by default our default sampler. In a cell, that is a table, a box and a budget, the
  best other method is the one with the least mean regret.
* **Test**: two-sided Wilcoxon signed-rank test over seeds, judged against each other method. Holm's
  correction spans all methods and budgets of a table and a box.
* **Verdict** of a cell: `first` if the mean regret of the judged method is the least; `tied` if Holm's p
  against the best other is above 0.05 and the gap of the means is at most 0.005; else `behind`.
* **Aim**: `--scale` is the box that our samplers aim at, by default that of `studies.run`.
* Methods that take long to choose run with fewer evaluations (`MOST`), and are absent from larger budgets.

Three questions were added later, each fixed before its figures:

* **Scale.** `surrogate` with `--scale log` against `surrogate-linear`, seeds 0 to 19, Wilcoxon's test in each
  cell, Holm's correction over budgets and boxes of a table. The default stays `log` unless `linear` has a
  lower mean regret in the box `log` with Holm's p <= 0.05 at some budget and table with exact costs.
* **Ablation** of `surrogate` on the tables with exact costs, `--scale log`, seeds 0 to 9, judged by
  `--judge surrogate`. A change (`surrogate_variants.py`) pays if its regret in the box `log`, as a mean over
  the budgets, is lower on both tables, with Holm's p <= 0.05 in some cell, and nowhere higher with Holm's
  p <= 0.05. Holm's correction spans budgets and variants of a table and a box.
* **Model-based rivals** `optuna-gp`, `botorch-qlognehvi` and `botorch-qlognparego` at 48 evaluations, as many
  seeds from 0 on as the time allows, at least 5; their number stands beside the figures.

A row where another method wins stays in the table. Finished searches are stored, so the command resumes;
they run again when the code or the table that decides them changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.search.botorch_search import require_botorch
from benchmarks.search.judging_tables import BOXES, TABLES, JudgingTable, load_table
from benchmarks.search.table_methods import BOTORCH, DEFAULT, METHODS, MOST, OURS, start
from benchmarks.search.value_cache import KeptValues
from search_space.arrays import Floats
from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from search_space.errors import H4HError, UnknownNameError
from search_space.files.cache_folder import cache_folder
from search_space.genotype import Genotype
from studies.analysis.significance import holm
from studies.launch.sampler_choice import chosen_sampler
from studies.samplers.proposed_designs import Archive
from studies.study.cost_scale import LOG, SCALES
from studies.study.settings import StudySettings

EVALUATIONS = (48, 96, 192, 384)
SEEDS = 20
SIGNIFICANT, GAP = 0.05, 0.005
"""Holm's p above which, and gap of mean regrets up to which, two methods are tied."""
RESAMPLES = 10_000
"""Resamples of the seeds for the interval of a mean."""
DATA = "H4H_TEST_DATA"
MODELS = ("surrogate", "gaussian_process", "virtual_search", "expected_gain")
"""Files of `studies/samplers` that decide nothing but the sampler `surrogate`."""
PACKAGES = ("moocore", "numpy", "optuna", "pymoo", "scipy")


@dataclass(frozen=True)
class Record:
    """One finished search.

    Attributes:
        method: Its name.
        seed: Its seed.
        regrets: Regret after each number of evaluations that the method reached, by box.
        choosing_s: CPU seconds of the method itself.
    """

    method: str
    seed: int
    regrets: dict[str, tuple[float, ...]]
    choosing_s: float


def searched(method: str, bench: JudgingTable, seed: int, evaluations: Sequence[int]) -> Record:
    """One search with the largest of `evaluations`, or as many as the method can afford."""
    most = min(max(evaluations), MOST.get(method, max(evaluations)), len(bench.table.genotypes))
    search = start(method, bench, seed)
    archive = Archive(bench.space, np.random.default_rng([seed, 1]))
    networks: list[Genotype] = []
    values: Floats | None = None
    choosing_s = 0.0
    admitted: list[Genotype] = []
    while len(networks) < most:
        begun = time.process_time()
        try:
            proposed = next(search) if values is None else search.send((admitted, values))
        except StopIteration:
            break
        choosing_s += time.process_time() - begun
        near = [bench.space.canonical(genotype) for genotype in proposed[: most - len(networks)]]
        admitted = archive.admit(near, len(near))
        networks += admitted
        values = bench.values(admitted)
    reached = [count for count in evaluations if count <= most]
    regrets = {box: tuple(1 - bench.share(networks[:count], box) for count in reached) for box in BOXES}
    return Record(method, seed, regrets, choosing_s)


def records(
    bench: JudgingTable,
    methods: Sequence[str],
    *,
    seeds: int,
    evaluations: Sequence[int],
    cache: Path,
    console: Console,
) -> list[Record]:
    """The searches of all `methods` with seeds 0 to `seeds` - 1; stored searches do not run again."""
    results: list[Record] = []
    for method in methods:
        about = {"table": bench.table.digest, "name": bench.name, "code": code_digest(method)}
        about["scale"] = bench.study.scale
        stored = KeptValues(cache, about | {"method": method, "evaluations": list(evaluations)})
        known = stored.read()
        for seed in range(seeds):
            if str(seed) not in known:
                record = searched(method, bench, seed, evaluations)
                stored.write({str(seed): asdict(record)})
                known[str(seed)] = asdict(record)
            row = known[str(seed)]
            regrets = {box: tuple(values) for box, values in row["regrets"].items()}
            results.append(Record(method, seed, regrets, row["choosing_s"]))
        last = results[-seeds:]
        means = np.mean([record.regrets["log"] for record in last], axis=0).tolist()
        seconds = np.mean([record.choosing_s for record in last])
        shown = ", ".join(f"{mean:.4f}" for mean in means)
        console.print(f"{bench.name} {method}: regret (log) {shown}; {seconds:.1f} s", highlight=False)
    return results


def verdicts(
    results: Sequence[Record], judged: str, evaluations: Sequence[int], box: str
) -> list[dict[str, Any]]:
    """One cell for each number of evaluations."""
    from scipy.stats import wilcoxon  # takes half a second to import

    regrets = {
        method: np.array([record.regrets[box] for record in results if record.method == method])
        for method in dict.fromkeys(record.method for record in results)
    }
    ours = regrets.pop(judged)
    pairs = [
        (place, method)
        for place in range(len(evaluations))
        for method, values in regrets.items()
        if values.shape[1] > place
    ]
    p = []
    for place, method in pairs:
        differences = ours[:, place] - regrets[method][:, place]
        p.append(float(wilcoxon(differences).pvalue) if differences.any() else 1.0)
    holm_p = dict(zip(pairs, holm(p), strict=True))
    cells = []
    for place, count in enumerate(evaluations):
        means = {
            name: float(values[:, place].mean())
            for name, values in regrets.items()
            if (place, name) in holm_p
        }
        best = min(means, key=lambda name: means[name])
        mean = float(ours[:, place].mean())
        gap = mean - means[best]
        is_tied = holm_p[place, best] > SIGNIFICANT and gap <= GAP
        verdict = "first" if gap <= 0 else "tied" if is_tied else "behind"
        cells.append(
            {
                "evaluations": count,
                "regret": mean,
                "best_other": best,
                "regret_of_other": means[best],
                "holm_p": holm_p[place, best],
                "holm_p_by_method": {name: holm_p[place, name] for name in means},
                "verdict": verdict,
            }
        )
    return cells


def code_digest(method: str) -> str:
    """SHA-256 of all code that decides a search by `method`, and of the versions of packages."""
    sha = hashlib.sha256()
    root = Path(__file__).parents[2]
    files = [*(root / "studies" / "samplers").glob("*.py"), *(root / "studies" / "design_space").glob("*.py")]
    names = ["judging_tables.py", "table_methods.py"]
    names += ["botorch_search.py"] if method in BOTORCH else []
    names += ["surrogate_variants.py"] if method not in OURS and method.startswith("surrogate") else []
    files += [Path(__file__).with_name(name) for name in names]
    for file in sorted(files):
        if file.stem not in MODELS or method.startswith("surrogate"):
            sha.update(f"{file.relative_to(root)}\0".encode() + file.read_bytes())
    packages = (*PACKAGES, *(("botorch", "gpytorch") if method in BOTORCH else ()))
    sha.update(json.dumps([version(package) for package in packages]).encode())
    return sha.hexdigest()


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Raises:
        H4HError: An option has a value that is not allowed, or a file is missing or cannot be used.
    """
    parser = Parser(
        prog="python -m benchmarks.search.tables_compared", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("--tables", default=",".join(TABLES), metavar="A,B,...", help="default: %(default)s")
    add("--methods", default=",".join(DEFAULT), metavar="A,B,...", help="default: %(default)s")
    add("--judge", default=default_sampler(), metavar="METHOD", help="default: %(default)s")
    add(
        "--scale",
        choices=SCALES,
        default=LOG,
        help="scale of costs in the box that samplers aim at (default: %(default)s)",
    )
    add("--seeds", type=int, default=SEEDS, metavar="N", help="seeds 0 to N - 1 (default: %(default)s)")
    add("--evaluations", default=",".join(map(str, EVALUATIONS)), metavar="N,M", help="default: %(default)s")
    add(
        "--cache",
        type=Path,
        default=cache_folder() / "tables.db",
        metavar="FILE",
        help="file of finished searches (default: in the cache folder)",
    )
    add("--json", action="store_true")
    options = parser.parse_args(arguments)
    tables, methods, evaluations = check(options)
    console = Console(stderr=True)
    result: dict[str, Any] = {"seeds": options.seeds, "judged": options.judge, "tables": {}}
    for name in tables:
        bench = load_table(name, Path(os.environ.get(DATA, "")) / "nas-bench-macro", scale=options.scale)
        results = records(
            bench,
            methods,
            seeds=options.seeds,
            evaluations=evaluations,
            cache=options.cache,
            console=console,
        )
        result["tables"][name] = {
            "networks": len(bench.table.genotypes),
            "regrets": summary(results, evaluations),
            "verdicts": {box: verdicts(results, options.judge, evaluations, box) for box in BOXES},
        }
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        print_tables(result, evaluations)


def default_sampler() -> str:
    """The sampler that a study of these budgets takes by default."""
    return chosen_sampler(StudySettings(evaluations=max(EVALUATIONS)), is_expensive=True, stored=None)


def check(options: Namespace) -> tuple[list[str], list[str], list[int]]:
    """Tables, methods and numbers of evaluations that `options` name, in order.

    Raises:
        H4HError: An option has a value that is not allowed.
    """
    tables, methods = (list(dict.fromkeys(text.split(","))) for text in (options.tables, options.methods))
    for kind, names, known in (("table", tables, TABLES), ("method", [*methods, options.judge], METHODS)):
        for name in names:
            if name not in known:
                raise UnknownNameError(kind, name, known)
    if BOTORCH.keys() & methods:
        require_botorch()
    if options.judge not in methods or len(methods) < 2:
        raise H4HError(f"--methods must name {options.judge}, which --judge judges, and another one")
    counts = options.evaluations.split(",")
    if not all(count.isdecimal() and int(count) > 0 for count in counts):
        raise H4HError(
            f"--evaluations must be positive integers joined by commas, but got {options.evaluations!r}"
        )
    if options.seeds < 1:
        raise H4HError(f"--seeds must be at least 1, but got {options.seeds}")
    folder = os.environ.get(DATA)
    if set(tables) != {"own"} and not (folder and (Path(folder) / "nas-bench-macro").is_dir()):
        raise H4HError(f"{DATA} must name the folder that holds nas-bench-macro, or give --tables own")
    return tables, methods, sorted(set(map(int, counts)))


def mean_interval(values: Floats) -> tuple[float, float]:
    """95 % bootstrap interval (percentiles) of the mean of values (n,); the same for the same values."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975]).tolist()
    return low, high


def summary(results: Sequence[Record], evaluations: Sequence[int]) -> list[dict[str, Any]]:
    """Mean regrets of each method with 95 % intervals over seeds, and its mean CPU seconds."""
    rows = []
    for method in dict.fromkeys(record.method for record in results):
        group = [record for record in results if record.method == method]
        regrets = {
            box: dict(
                zip(
                    map(str, evaluations),
                    np.mean([record.regrets[box] for record in group], axis=0).tolist(),
                    strict=False,
                )
            )
            for box in BOXES
        }
        intervals = {
            box: dict(
                zip(
                    map(str, evaluations),
                    map(mean_interval, np.array([record.regrets[box] for record in group]).T),
                    strict=False,
                )
            )
            for box in BOXES
        }
        seconds = float(np.mean([record.choosing_s for record in group]))
        rows.append({"method": method, "regret": regrets, "interval": intervals, "choosing_s": seconds})
    return rows


def print_tables(result: Mapping[str, Any], evaluations: Sequence[int]) -> None:
    """Prints regrets in thousandths, and the verdicts."""
    for name, judged in result["tables"].items():
        title = f"{name}: regret x 1000, mean of {result['seeds']} seeds, linear box | log box"
        shown = Table(title=title)
        shown.add_column("method")
        for column in (*(str(count) for box in BOXES for count in evaluations), "CPU s"):
            shown.add_column(column, justify="right")
        for row in judged["regrets"]:
            cells = [row["regret"][box].get(str(count)) for box in BOXES for count in evaluations]
            texts = ["-" if cell is None else f"{1000 * cell:.1f}" for cell in cells]
            shown.add_row(row["method"], *texts, f"{row['choosing_s']:.1f}")
        print_wide(shown)
        for box, cells in judged["verdicts"].items():
            for cell in cells:
                print(
                    f"{name}, {box}, {cell['evaluations']}: {result['judged']} is {cell['verdict']} "
                    f"({1000 * cell['regret']:.1f}; best other {cell['best_other']} "
                    f"{1000 * cell['regret_of_other']:.1f}, Holm p {cell['holm_p']:.3f})"
                )


if __name__ == "__main__":
    run_command(main)
