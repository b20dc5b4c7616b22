"""Cost of a report: time to write it, size of the file, time until the page is drawn.

    python -m benchmarks.search.report_cost [--evaluations 2000] [--json]

Creates a study over `cifar32` in a temporary folder. Its subnets are mutations of the smallest and the
largest one; latency and energy come from the cost model, accuracy from a stand-in. The report is written in a
separate process, as a user would write it, and opened in headless Chromium:

| figure | meaning |
|---|---|
| written | seconds of the whole command, including the start of Python |
| size | size of the file in MB |
| front drawn | seconds from opening the file until the plots of the front can be seen and clicked |
| all drawn | the same for all plots of the page |

The last two need Chromium and its driver (Debian: chromium, chromium-driver) and are left out without them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.table import Table

from objectives.hardware import CostModel, load_soc
from objectives.hardware_objectives import network_totals
from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from search_space.complexity import macs, params
from search_space.errors import H4HError
from search_space.families import family
from search_space.genotype import Genotype
from search_space.space import Space, load_space
from studies.storage.store import create_store
from studies.study.evaluation import Evaluation
from studies.study.settings import DEFAULTS
from studies.study.study import Goal, Study

SPACE = "cifar32"


def genotypes(space: Space, count: int, seed: int = 0) -> list[Genotype]:
    """Different canonical genotypes; each after the first two mutates three genes of an earlier one."""
    rng = np.random.default_rng(seed)
    genotypes = dict.fromkeys([space.smallest(), space.largest()])
    known = list(genotypes)
    while len(known) < count:
        changed = list(known[rng.integers(len(known))])
        for place in rng.integers(0, len(changed), 3):
            changed[place] = int(rng.integers(space.genes[place].cardinality))
        genotype = space.canonical(changed)
        if genotype not in genotypes:
            genotypes[genotype] = None
            known.append(genotype)
    return known[:count]


def make_study(path: Path, count: int) -> None:
    """Writes a database with the study ``made`` of `count` evaluations."""
    space, soc = load_space(SPACE), load_soc(str(DEFAULTS["hardware"]))
    costs, rng = CostModel(soc), np.random.default_rng(1)
    chosen = genotypes(space, count)
    subnets = [space.decode(genotype) for genotype in chosen]
    latency, energy = network_totals(costs, subnets)
    rows = [
        Evaluation(
            index=index,
            genotype=genotype,
            values=(
                60 + 5 * float(np.log2(macs(subnet) / 7e5 + 1)) + float(rng.normal(0, 0.8)),
                float(latency[index]),
                float(energy[index]),
            ),
            limited=(),
            is_feasible=True,
            macs=macs(subnet),
            params=params(subnet),
            conv_blocks=subnet.conv_blocks,
            vit_blocks=subnet.vit_blocks,
            family=str(family(subnet)),
        )
        for index, (genotype, subnet) in enumerate(zip(chosen, subnets, strict=True))
    ]
    study = Study(
        name="made",
        space=space.name,
        space_definition=space.to_dict(),
        goals=(Goal("acc", "%", "max"), Goal("lat", "ms", "min"), Goal("energy", "mJ", "min")),
        constraints=(),
        settings={**DEFAULTS, "space": SPACE},
        fingerprint=costs.fingerprint(),
        ideal=(100.0, 0.0, 0.0),
        reference=(0.0, 1.1 * float(latency.max()), 1.1 * float(energy.max())),
        created_at="2026-01-01T00:00:00+00:00",
    )
    with create_store(path) as store:
        store.add(study)
        store.append(study.name, rows)


def opened(path: Path) -> dict[str, float] | None:
    """Seconds until the front and the whole page at `path` are drawn; None without a browser."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        return None
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.support.wait import WebDriverWait

    options = ChromeOptions()
    options.binary_location = chromium
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "enable-unsafe-swiftshader"):
        options.add_argument(f"--{argument}")
    browser = Chrome(options=options, service=Service(driver))
    try:
        browser.set_window_size(1280, 900)
        browser.get(path.as_uri())
        WebDriverWait(browser, 120, poll_frequency=0.02).until(
            lambda driver: driver.execute_script("return document.documentElement.dataset.ready === 'true'")
        )
        marks = "return ['front drawn', 'all drawn'].map((n) => performance.getEntriesByName(n)[0].startTime)"
        front, whole = browser.execute_script(marks)
    finally:
        browser.quit()
    return {"front_drawn_s": front / 1e3, "all_drawn_s": whole / 1e3}


def measure(count: int) -> dict[str, float]:
    """Figures of a study of `count` evaluations."""
    with TemporaryDirectory() as folder:
        database, out = Path(folder) / "studies.db", Path(folder) / "report.html"
        make_study(database, count)
        start = time.perf_counter()
        command = [sys.executable, "-m", "studies.report", "--db", str(database), "made", "--out", str(out)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        return {"written_s": seconds, "size_mb": out.stat().st_size / 1e6, **(opened(out) or {})}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command.

    Raises:
        H4HError: Too few evaluations.
    """
    parser = Parser(
        prog="python -m benchmarks.search.report_cost", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "--evaluations",
        type=int,
        default=2000,
        metavar="N",
        help="number of evaluations (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    if options.evaluations < 2:
        raise H4HError(f"--evaluations must be at least 2, but got {options.evaluations}")
    seconds = measure(options.evaluations)
    if options.json:
        print(json.dumps({"evaluations": options.evaluations, **seconds}))
        return
    table = Table(title=f"report of a study of {options.evaluations} evaluations", title_justify="left")
    for name in seconds:
        table.add_column(name.replace("_", " "), justify="right", no_wrap=True)
    table.add_row(*(f"{value:.2f}" for value in seconds.values()))
    print_wide(table)


if __name__ == "__main__":
    run_command(main)
