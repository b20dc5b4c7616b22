"""All searches of a run, up to the budget of the stop rule, and their fronts on the test images."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.paper.comparison import Fronts, fronts, primary_values
from benchmarks.paper.held_out import HeldOut, check_test_images
from benchmarks.paper.protocol import (
    COSTS,
    LAST_SHARE,
    MOST_EVALUATIONS,
    PAIRS,
    SEEDS,
    Run,
    budgets,
    has_settled,
    parse_chips,
    parse_seeds,
)
from benchmarks.paper.remapping import AssumedNumber, Costing, assumed_numbers, random_searches
from benchmarks.paper.searches import Search, Searched, Searches, chip
from search_space.command.command_line import Parser, check_least
from search_space.errors import H4HError
from studies.launch.plan_objects import Notify
from studies.launch.searched_space import searched_networks
from studies.study.evaluation import Evaluation
from studies.study.settings import DEFAULT_SPACE, StudySettings
from supernet.checkpoints import built_in_checkpoint


def add_options(parser: Parser) -> None:
    """Adds the options that say what is searched and compared."""
    add = parser.add_argument
    add(
        "--db",
        type=Path,
        default=Path("results.db"),
        metavar="FILE",
        help="database of the searches; resumed where it exists (default: %(default)s)",
    )
    add(
        "--chips",
        default=",".join(PAIRS),
        metavar="A,B,...",
        help="chips with macros to compare with the same chip without (default: all of the protocol)",
    )
    add(
        "--seeds",
        default=",".join(map(str, SEEDS)),
        metavar="A,B,...",
        help="seeds of the searches (default: %(default)s)",
    )
    add(
        "--evaluations",
        type=int,
        metavar="N",
        help="evaluations of each search (default: as many as the stop rule of the protocol takes)",
    )
    add("--space", metavar="NAME", help=f"search space (default: that of --checkpoint, else {DEFAULT_SPACE})")
    add("--checkpoint", type=Path, metavar="FILE", help="trained supernet (default: the shipped one)")
    add(
        "--data",
        type=Path,
        metavar="DIR",
        help="data set whose test images score the fronts, and whose training images score the search "
        "(default: test images in data/, search images in the repository)",
    )
    add(
        "--val-images",
        type=int,
        metavar="N",
        help="search images that score a network (default: as in a study)",
    )
    add(
        "--workers",
        type=int,
        metavar="N",
        help="processes that measure accuracy; does not change results (default: one per core)",
    )
    add("--device", default="cpu", help="device that measures accuracy: auto, cpu or cuda (default: cpu)")


def parse_run(options: Namespace) -> Run:
    """The run that the options describe.

    Raises:
        H4HError: A chip is unknown or not of the protocol, or a number is not allowed.
    """
    check_least(options, evaluations=2, val_images=1, workers=1)
    run = Run(
        chips=parse_chips(options.chips), seeds=parse_seeds(options.seeds), evaluations=options.evaluations
    )
    for name in run.hardware:
        chip(name)
    return run


@dataclass(frozen=True)
class Campaign:
    """A run with everything that it computes from.

    Attributes:
        run: What is compared.
        searches: Its searches.
        space: Name or file of the search space as the user gave it.
        scores: Answers on the test images.
        costing: Costs networks.
        file: File of the answers, which also keeps finished figures.
    """

    run: Run
    searches: Searches
    space: str | None
    scores: HeldOut
    costing: Costing
    file: Path

    def searched(self, chips: Sequence[str], evaluations: int) -> dict[Search, Searched]:
        """Searches of `chips` with this budget, for all costs and seeds."""
        wanted = [Search(name, cost, seed) for seed in self.run.seeds for cost in COSTS for name in chips]
        return {one: self.searches.run(one, evaluations, self.space) for one in wanted}

    def values_at(self, evaluations: int) -> tuple[list[float], list[float]]:
        """Primary figures after three quarters of the evaluations and after all of them."""
        found = self.searched(self.run.primary_hardware, evaluations)
        before, after = (
            primary_values(
                self.run,
                fronts(found, self.scores, resamples=0, images=self.scores.images, evaluations=count),
            )
            for count in (round((1 - LAST_SHARE) * evaluations), evaluations)
        )
        return before, after

    def budget(self) -> Budget:
        """The budget of all searches; runs those that the stop rule asks for."""
        return settled_budget(self.run.evaluations, self.values_at, self.searches.notify)

    def random(self, budget: Budget) -> dict[int, Searched]:
        """Random networks by seed, as many as a search evaluates."""
        searches = random_searches(self.run).items()
        return {seed: self.searches.run(one, budget.evaluations, self.space) for seed, one in searches}

    def fronts(self, budget: Budget, more: Iterable[Evaluation] = ()) -> Fronts:
        """Fronts of all searches on the test images.

        Args:
            budget: Evaluations of each search.
            more: Further networks to score.
        """
        return fronts(
            self.searched(self.run.hardware, budget.evaluations),
            self.scores,
            resamples=self.run.resamples,
            images=self.scores.images,
            more=more,
        )

    def assumed(self, found: Fronts, names: Sequence[str] = ()) -> list[AssumedNumber]:
        """Primary figures with each assumed number of the default chip at each end, see `assumed_numbers`."""
        return assumed_numbers(
            self.run,
            found,
            self.scores,
            self.costing,
            images=self.scores.images,
            file=self.file,
            notify=self.searches.notify,
            names=names,
        )


@dataclass(frozen=True)
class Budget:
    """Evaluations of each search.

    Attributes:
        evaluations: Their number.
        has_settled: Whether no primary figure moved during the last quarter; None if the user fixed the
            number.
        before: Primary figures after three quarters of them; empty if the user fixed the number.
        after: Primary figures after all of them.
    """

    evaluations: int
    has_settled: bool | None
    before: tuple[float, ...] = ()
    after: tuple[float, ...] = ()


def settled_budget(
    fixed: int | None, values_at: Callable[[int], tuple[list[float], list[float]]], notify: Notify
) -> Budget:
    """The first budget of the protocol at which no primary figure still moves, or its largest.

    Args:
        fixed: Number that the user fixed, or None.
        values_at: Gives the primary figures after three quarters and after all of a number of evaluations.
        notify: Is told each decision.
    """
    if fixed is not None:
        return Budget(fixed, None)
    for evaluations in budgets():
        before, after = values_at(evaluations)
        is_settled = has_settled(before, after)
        largest = max((abs(new - old) for old, new in zip(before, after, strict=True)), default=0.0)
        notify(
            f"stop rule after {evaluations} evaluations: the primary figures moved by up to {largest:.2f} "
            f"points during the last quarter"
        )
        if is_settled or evaluations == MOST_EVALUATIONS:
            return Budget(evaluations, is_settled, tuple(before), tuple(after))
    raise AssertionError("budgets() ends with the largest budget")


@contextmanager
def campaign(options: Namespace, run: Run) -> Iterator[Campaign]:
    """The campaign that the options describe; everything is checked before anything runs.

    Args:
        options: Options of `add_options`.
        run: From `parse_run`.

    Raises:
        H4HError: A file, a space or images are wrong.
    """
    settings = StudySettings(space=options.space, checkpoint=options.checkpoint)
    space = searched_networks(settings)
    checkpoint = options.checkpoint or built_in_checkpoint(space.name)
    check_folder(options.db, "--db")
    check_test_images(options.data, checkpoint)
    console = Console(stderr=True)

    def notify(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True, markup=False)

    searches = Searches(
        database=options.db,
        space=space,
        checkpoint=checkpoint,
        data=options.data,
        val_images=options.val_images,
        workers=options.workers,
        device=options.device,
        notify=notify,
    )
    with held_out(searches) as scores:
        yield Campaign(run, searches, options.space, scores, Costing(space), scores.file)


def held_out(searches: Searches) -> HeldOut:
    """Answers on the test images, with the weights and images of `searches`."""
    import torch  # takes seconds; only here, so that bad input fails fast

    workers = searches.workers or (torch.get_num_threads() if searches.device == "cpu" else 1)
    return HeldOut(
        space=searches.space,
        checkpoint=searches.checkpoint,
        data=searches.data,
        database=searches.database,
        workers=workers,
        device=searches.device,
        notify=searches.notify,
    )


def check_folder(path: Path, option: str) -> None:
    """Raises `H4HError` unless the folder of a file exists."""
    if not path.parent.is_dir():
        raise H4HError(f"{option} {path}: the folder {path.parent} does not exist; create it first")
