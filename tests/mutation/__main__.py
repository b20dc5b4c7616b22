"""Mutation testing: change one thing in a file, and see whether its nearest tests fail.

    python -m tests.mutation --sample 40 --seed 1

Cosmic Ray makes the mutants. `nearest_tests.yaml` names the files and their tests. Run the same command again
to resume. A survivor runs again when its tests have changed.
"""

from __future__ import annotations

import argparse
import math
import random
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from tests.mutation.forked_tests import import_libraries, repository_copies
from tests.mutation.mutant import Mutant
from tests.mutation.mutant_lists import equivalent_mutants, killed_mutants, nearest_tests, write_killed
from tests.mutation.mutation_run import (
    BrokenTestsError,
    Run,
    Snapshot,
    check_baselines,
    draw,
    judge,
    judge_listed,
)
from tests.mutation.session import Session, Verdict
from tests.mutation.table import description, table

ROOT = Path(__file__).parents[2]
LISTED_SHARE = 0.6
"""Share of the time that the listed mutants may take when a sample follows."""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--files", nargs="+", metavar="PATH", help="files or folders to mutate (default: all that are named)")
    add("--sample", type=int, default=0, metavar="N", help="number of mutants drawn at random")
    add("--seed", default="0", metavar="TEXT", help="random seed: the same seed draws the same mutants")
    add(
        "--listed",
        action="store_true",
        help="check the committed list of killed mutants; exit with 1 if one survives",
    )
    add("--add-killed", action="store_true", help="add the sample's killed mutants to the committed list")
    add(
        "--most-added",
        type=int,
        default=3,
        metavar="N",
        help="most mutants of a file in that list (default: 3)",
    )
    add(
        "--seconds", type=float, default=math.inf, metavar="S", help="time after which no further tests start"
    )
    add("--processes", type=int, default=1, metavar="N", help="tests side by side (default: 1)")
    add(
        "--state",
        type=Path,
        default=Path("runs/mutation.sqlite"),
        metavar="FILE",
        help="database of verdicts",
    )
    add("--skip-baseline", action="store_true", help="trust that the tests pass on the unchanged files")
    return parser


def chosen_files(files: list[str] | None, known: list[str]) -> list[str]:
    """Files under the given paths."""
    if files is None:
        return known
    chosen = [
        file
        for file in known
        if any(file == path or file.startswith(path.rstrip("/") + "/") for path in files)
    ]
    if not chosen:
        parser().error(
            f"--files must name files of tests/mutation/nearest_tests.yaml, but got {' '.join(files)}"
        )
    return chosen


def main() -> None:
    options = parser().parse_args()
    started = time.monotonic()
    nearest = nearest_tests()
    files = chosen_files(options.files, list(nearest))
    if options.sample <= 0 and not options.listed:
        parser().error("nothing to do: give --sample N, --listed, or both")
    snapshot = Snapshot.of(ROOT, nearest)
    import_libraries()
    with closing(Session(options.state)) as session, repository_copies(ROOT, options.processes) as folders:
        run = Run(snapshot, folders, session, nearest, options.skip_baseline)
        revived = 0
        if options.listed:
            run.end = started + options.seconds * (LISTED_SHARE if options.sample else 1.0)
            revived = check_listed(run, files, options.seed)
        if options.sample > 0:
            run.end = started + options.seconds
            verdicts = judge_sample(run, files, options.sample, options.seed)
            if options.add_killed:
                add_killed(verdicts, options.most_added)
    sys.exit(1 if revived else 0)


def check_listed(run: Run, files: list[str], seed: str) -> int:
    """Prints what became of the listed mutants; returns the number of those that no test kills any more."""
    listed = killed_mutants()
    listed = {mutant: test for mutant, test in listed.items() if mutant.file in files}
    gone = [mutant for mutant in listed if mutant.apply(run.source(mutant.file)) is None]
    order = [mutant for mutant in listed if mutant not in gone]
    random.Random(seed).shuffle(order)
    verdicts = dict(judge_listed(run, {mutant: listed[mutant] for mutant in order}))
    survivors = [mutant for mutant, verdict in verdicts.items() if not verdict.is_killed]
    print(
        f"listed: {len(verdicts)} of {len(order)} run, {len(survivors)} survive; {len(gone)} no longer apply"
    )
    for mutant in gone:
        print(f"no longer applies, remove it from killed.yaml: {description(mutant)}")
    for mutant in survivors:
        print(f"SURVIVES, although {listed[mutant]} killed it: {description(mutant)}")
    return len(survivors)


def judge_sample(run: Run, files: list[str], count: int, seed: str) -> dict[Mutant, Verdict]:
    """Prints the table of a random sample and its survivors."""
    equivalent = equivalent_mutants()
    mutants: Iterable[Mutant] = draw(run, files, count, seed)
    if not run.is_baseline_known:
        mutants = list(mutants)
        check_baselines(run, mutants)
    verdicts = {}
    for mutant, verdict in judge(run, mutants):
        verdicts[mutant] = verdict
        if not verdict.is_killed and mutant not in equivalent:
            print(f"{len(verdicts)}/{count} survives: {description(mutant)}", flush=True)
    print(f"\n{len(verdicts)} of a sample of {count}, seed {seed}:\n")
    print(table(verdicts, run.nearest, equivalent))
    return verdicts


def add_killed(verdicts: dict[Mutant, Verdict], most: int) -> None:
    """Adds killed mutants to the committed list, at most `most` of one file."""
    listed = killed_mutants()
    counts: dict[str, int] = {}
    for mutant in listed:
        counts[mutant.file] = counts.get(mutant.file, 0) + 1
    for mutant, verdict in verdicts.items():
        if (
            verdict.is_killed
            and "::" in verdict.test
            and mutant not in listed
            and counts.get(mutant.file, 0) < most
        ):
            listed[mutant] = verdict.test
            counts[mutant.file] = counts.get(mutant.file, 0) + 1
    write_killed(listed)


if __name__ == "__main__":
    # A stop removes the copies and ends the tests that run.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        main()
    except BrokenTestsError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
