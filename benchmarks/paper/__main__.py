"""The paper's comparison of macros with the NPU alone, by the protocol, as a page of the documentation.

    python -m benchmarks.paper --db results.db --out docs/results.md

Searches networks for each chip, scores the fronts on the test images, and writes the page with its figures.
docs/results-protocol.md fixes the rules. Run the command again to resume; finished searches and scored
networks are read from the database and from the file beside it.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from benchmarks.paper.campaign import Campaign, add_options, campaign, check_folder, parse_run
from benchmarks.paper.comparison import all_figures
from benchmarks.paper.page import Results, page
from benchmarks.paper.protocol import COSTS
from benchmarks.paper.remapping import baselines, random_members
from benchmarks.paper.searches import chip
from search_space.command.command_line import Parser, run_command
from search_space.errors import H4HError
from search_space.files.whole_file import whole_file
from supernet.checkpoints.tensor_file import file_digest


def results(at: Campaign, command: str) -> Results:
    """Runs what is missing and computes everything that the page tells."""
    run, budget = at.run, at.budget()
    random = at.random(budget)
    found = at.fronts(budget, random_members(random, at.costing))
    return Results(
        run=run,
        space=at.searches.space.name,
        images=at.scores.images,
        budget=budget,
        fronts=found,
        figures=all_figures(run, found),
        baselines={cost: baselines(run, found, random, at.costing, cost) for cost in COSTS},
        assumed=at.assumed(found),
        digests={
            **{f"chip `{name}`": chip(name).digest for name in run.hardware},
            f"weights `{at.searches.checkpoint.name}`": file_digest(at.searches.checkpoint),
        },
        command=command,
    )


def write(told: Results, out: Path) -> None:
    """Writes the page, with its figures in the folder that is called as the page.

    Raises:
        H4HError: A file cannot be written.
    """
    from benchmarks.paper.drawing import draw  # matplotlib takes a second to import

    folder = out.with_suffix("")
    try:
        folder.mkdir(exist_ok=True)
        files = draw(told, folder)
        text = page(told, {name: f"{folder.name}/{path.name}" for name, path in files.items()})
        with whole_file(out) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise H4HError(f"--out {out}: cannot be written ({error.strerror})") from error


def main() -> None:
    """Runs the command."""
    parser = Parser(prog="python -m benchmarks.paper", description=__doc__.splitlines()[0])
    add_options(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("docs/results.md"),
        metavar="FILE",
        help="page to write; its figures go into the folder of the same name (default: %(default)s)",
    )
    options = parser.parse_args()
    run = parse_run(options)
    check_folder(options.out, "--out")
    if options.out.suffix != ".md":
        raise H4HError(f"--out must end in .md, but got {str(options.out)!r}")
    command = shlex.join(["python", "-m", "benchmarks.paper", *sys.argv[1:]])
    with campaign(options, run) as at:
        told = results(at, command)
    write(told, options.out)
    print(f"wrote {options.out}: {told.budget.evaluations} evaluations in each search")


if __name__ == "__main__":
    run_command(main)
