"""Ablation of two-phase training, the claim of the H4H paper.

    python -m benchmarks.supernet.two_phase --budget small --data data [--out docs] [--json]

Trains one search space in each way of `two_phase_settings`, over several seeds: by `joint` in three lengths,
by `two_phase` with each treatment of the CNN in its second phase, by `progressive`, and as a pure CNN
supernet. Then it compares accuracy at equal work, and gradient conflict. `--out docs` writes `two-phase.md`
and its figures there.

Finished runs are stored under `--runs` and never repeated. Rerun the command to resume a run that was
interrupted or killed. The command is the same for every budget and device.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.supernet.two_phase_equal_work import equal_work_table
from benchmarks.supernet.two_phase_report import figures, markdown, result_tables, settings_table
from benchmarks.supernet.two_phase_runs import execute_all, plan
from benchmarks.supernet.two_phase_settings import BUDGETS
from search_space.command.command_line import Parser, run_command
from search_space.errors import H4HError
from search_space.files.figure_file import save_figure
from search_space.files.whole_file import whole_file
from search_space.space import load_space
from supernet.images.data_sets import open_data
from supernet.images.folder_layouts import add_data
from supernet.network.freed_memory import keep_freed_memory
from supernet.network.number_formats import resolve_device
from supernet.training.run_folder import LOG


def main() -> None:
    parser = Parser(
        prog="python -m benchmarks.supernet.two_phase",
        description="Compare joint with two-phase training of a supernet.",
    )
    parser.add_argument(
        "--budget", choices=tuple(BUDGETS), required=True, help="amount of training and evaluation"
    )
    add_data(parser.add_argument, default=Path("data"))
    parser.add_argument(
        "--runs",
        type=Path,
        default=Path("runs/two_phase"),
        help="folder of the runs, one subfolder per budget (default: %(default)s)",
    )
    parser.add_argument(
        "--out", type=Path, help="folder for two-phase.md and its figures (default: only print)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument(
        "--jobs", type=int, default=1, help="number of simultaneous trainings (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    if arguments.jobs < 1:
        parser.error(f"--jobs must be at least 1, but got {arguments.jobs}")
    if arguments.out is not None and not arguments.out.is_dir():
        raise H4HError(f"--out {arguments.out}: this folder does not exist; make it first")
    budget = BUDGETS[arguments.budget]
    device = resolve_device(arguments.device)
    data = open_data(arguments.data, arguments.dataset, load_space(budget.space))
    keep_freed_memory()
    runs = plan(
        budget,
        data=arguments.data,
        dataset=arguments.dataset,
        content=data.content,
        runs=arguments.runs / arguments.budget,
        device=arguments.device,
        threads=max(1, (os.cpu_count() or 1) // arguments.jobs),
    )
    progress = Console(stderr=True, highlight=False)
    results = execute_all(runs, arguments.jobs, progress.print)
    recipes = {run.setting: run.recipe for run in runs}
    tables = [settings_table(recipes), equal_work_table(results), *result_tables(results)]
    if arguments.out is not None:
        logs: dict[str, list[Path]] = {}
        for run in runs:
            logs.setdefault(run.setting, []).append(run.folder / LOG)
        drawn = figures(results, logs)
        for name, figure in drawn.items():
            save_figure(figure, arguments.out / f"two-phase-{name}.svg", option="--out")
        text = markdown(
            tables,
            command=f"python -m benchmarks.supernet.two_phase --budget {arguments.budget}",
            about=f"{budget.about} Space `{runs[0].space.name}`; {budget.epochs} passes over the training "
            f"images of {data.name}; {budget.seeds} seeds ({budget.main_seeds} in the primary comparison); "
            f"top-1 on {budget.search_images:,} held-out images",
            machine=machine(device),
            figures=list(drawn),
        )
        with whole_file(arguments.out / "two-phase.md") as temporary:
            temporary.write_text(text)
    if arguments.json:
        print(json.dumps([result.to_dict() for result in results], indent=2))
        return
    for table in tables:
        table.print()


def machine(device: torch.device) -> str:
    """Description of this machine."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{os.cpu_count()} CPU cores ({torch.backends.cpu.get_cpu_capability()}), no GPU"


if __name__ == "__main__":
    run_command(main)
