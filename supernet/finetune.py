"""Takes a subnet out of a supernet and trains it on, as the network that ships.

    python -m supernet.data cifar10
    python -m supernet.finetune --subnet max --epochs 20 --out runs/largest --data data

`--subnet` is `max`, `min`, or a genotype: gene indices joined by commas. The result is
`OUT/network.safetensors` (see `extraction`), written after every epoch, and `OUT/result.json`. The same
command again goes on after the last finished epoch, exactly. With `--epochs 0` the subnet is taken out and
not trained.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from search_space import complexity
from search_space.command_line import Parser, run_command
from search_space.errors import H4HError
from search_space.genotype import to_text
from search_space.least_values import check_least
from search_space.whole_file import whole_file
from supernet import cifar10, oracle
from supernet.allocator import keep_freed_memory
from supernet.checkpoint import file_digest, load_checkpoint
from supernet.checkpoint_header import read_header
from supernet.checkpoints import add_checkpoint
from supernet.datasets import open_data
from supernet.evaluate import SPLITS
from supernet.extraction import extract, folded, save_extracted
from supernet.fine_tuning import NOT_USED, FineTuning, make_recipe, top1
from supernet.images import Images
from supernet.layouts import DEFAULT_DATA, add_data
from supernet.precision import emulation_warning, resolve_device, resolve_precision
from supernet.recipe import NAMES, Recipe
from supernet.train import HELP as TRAINING_HELP
from supernet.train import reading_processes

STATE = "state.safetensors"
NETWORK = "network.safetensors"
RESULT = "result.json"

SETTINGS = tuple(field for field in fields(Recipe) if field.name not in ("phases", *NOT_USED))
"""What of a recipe can be set here."""

HELP = TRAINING_HELP | {
    "seed": "of order and augmentation",
    "batch": "images per step",
    "warm_up_epochs": "epochs of warm-up",
    "label_smoothing": "of the targets",
}


def make_parser() -> Parser:
    parser = Parser(
        prog="python -m supernet.finetune", description="Take a subnet out of a supernet and train it on."
    )
    add_checkpoint(parser.add_argument)
    parser.add_argument(
        "--subnet", required=True, help="max, min, or a genotype: gene indices joined by commas"
    )
    add_data(parser.add_argument, DEFAULT_DATA)
    parser.add_argument(
        "--split",
        choices=(*SPLITS, "both"),
        default="both",
        help="images to report on (default: %(default)s)",
    )
    parser.add_argument(
        "--workers", type=int, help="processes that read image files (default: as many as cores, 16 at most)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the result and of the state to go on from"
    )
    parser.add_argument(
        "--fold-batch-norm", action="store_true", help="write the network with batch norm folded"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    parser.add_argument(
        "--epochs",
        type=int,
        default=20,
        help="passes over the training images; 0 only takes the subnet out (default: %(default)s)",
    )
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate (default: %(default)s)")
    for field in SETTINGS:
        kind: Any = {"int": int, "float": float, "str": str}[str(field.type)]
        known = f": {', '.join(NAMES[field.name])}" if field.name in NAMES else ""
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=kind,
            default=field.default,
            help=f"{HELP[field.name]}{known} (default: %(default)s)",
        )
    return parser


def main() -> None:
    arguments = make_parser().parse_args()
    check_least(arguments, workers=0)
    state = arguments.out / STATE
    if arguments.out.exists() and not arguments.out.is_dir():
        raise H4HError(f"--out must be a folder, but {arguments.out} is a file")
    if arguments.epochs == 0 and state.exists():
        raise H4HError(
            f"--epochs 0 would replace the network that was trained in {arguments.out}: choose another --out"
        )
    keep_freed_memory()
    device = resolve_device(arguments.device)
    values = {field.name: getattr(arguments, field.name) for field in SETTINGS}
    # Without epochs there is no phase to train, but bad values are told all the same.
    recipe = make_recipe(epochs=arguments.epochs or 1, rate=arguments.rate, **values)
    resolve_precision(recipe.precision, device)
    checkpoint = arguments.checkpoint
    supernet = load_checkpoint(checkpoint).to(device)
    genotype = supernet.space.parse(arguments.subnet)
    subnet = supernet.space.decode(genotype)

    data = open_data(arguments.data, arguments.dataset, supernet.space)
    split = data.split_like(read_header(checkpoint).get("data"))
    images = data.train.subset(split.train)
    evaluated: dict[str, Images] = {}
    if arguments.split != "test":
        evaluated["search"] = data.train.subset(split.search)
    if arguments.split != "search":
        evaluated["test"] = data.read_test()
    calibration = oracle.prepare(
        data.train.subset(split.train[: cifar10.CALIBRATION_IMAGES]), precision="fp32", device=device
    )
    network = extract(supernet, subnet, oracle.calibrate(supernet, subnet, calibration))

    def accuracy() -> dict[str, float]:
        return {
            name: top1(network, oracle.stream(part, precision="fp32", device=device))
            for name, part in evaluated.items()
        }

    recorded = data.recorded(split)
    tuning = None
    if arguments.epochs:
        tuning = FineTuning(
            network=network,
            images=images,
            recipe=recipe,
            device=device,
            origin=f"checkpoint {file_digest(checkpoint)[:12]} on images {recorded['split'][:12]}",
            workers=reading_processes(arguments.workers),
        )
    before = after = accuracy()
    # Not by rich, which would break a long line.
    print(subnet)
    print(f"before: {_text(before)}", flush=True)

    def save_network() -> None:
        written = folded(network) if arguments.fold_batch_norm else network
        save_extracted(arguments.out / NETWORK, written, space=supernet.space, data=recorded)

    if tuning is not None:
        _train(tuning, state, save_network, Console(highlight=False))
        after = accuracy()
        print(f"after:  {_text(after)}")
    save_network()
    record = {
        "checkpoint": str(checkpoint),
        "genotype": to_text(genotype),
        "subnet": str(subnet),
        "macs": complexity.macs(subnet),
        "params": complexity.params(subnet),
        "recipe": recipe.to_dict() if arguments.epochs else None,
        "before": before,
        "after": after,
    }
    with whole_file(arguments.out / RESULT) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n")
    print(f"network: {arguments.out / NETWORK}")


def _text(accuracy: dict[str, float]) -> str:
    return ", ".join(f"{name} top-1 {value:.2f} %" for name, value in accuracy.items())


def _train(tuning: FineTuning, state: Path, save_network: Callable[[], None], console: Console) -> None:
    """Trains to the end: a bar for the epoch at hand; a line, network and state for each finished one."""
    epochs = tuning.recipe.epochs
    if state.exists():
        tuning.load(state)
        console.print(f"going on after epoch {tuning.epochs_done} of {epochs} ({state})")
    if warning := emulation_warning(tuning.recipe.precision, tuning.device, plain=True):
        console.print(warning, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=console, transient=True) as progress:
            while not tuning.is_finished:
                name = f"epoch {tuning.epochs_done + 1}/{epochs}"
                task = progress.add_task(name, total=tuning.steps_per_epoch)
                start = time.perf_counter()
                score = tuning.train_epoch(partial(progress.advance, task))
                seconds = time.perf_counter() - start
                # The state last: a kill before it repeats the epoch and writes the same again.
                save_network()
                tuning.save(state)
                progress.remove_task(task)
                console.print(
                    f"{name}: loss {score.loss:.3f}, train top-1 {score.accuracy:.1f} %, {seconds:.0f} s"
                )
    except KeyboardInterrupt:
        console.print(f"stopped: {tuning.epochs_done} finished epochs are kept; the same command goes on")
        raise


if __name__ == "__main__":
    run_command(main)
