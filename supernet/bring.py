"""Bring a trained torch model: it becomes a search space and a checkpoint, whose largest subnet is the model.

    python -m supernet.bring torchvision:mobilenet_v2 --weights w.pth --side 224 --out runs/mine

The model must be a chain of a 3x3 stem, inverted bottlenecks with ReLU6, a 1x1 head and a linear classifier.
Before anything is written, the largest subnet is compared with the model, block by block. With `--data`, the
command also scores subnets before training, and the written file. It writes `OUT/space.yaml` and
`OUT/checkpoint.safetensors`.
"""

from __future__ import annotations

import shlex
from argparse import ArgumentTypeError, Namespace
from pathlib import Path

import yaml

from search_space import complexity
from search_space.command.command_line import Parser, run_command
from search_space.errors import H4HError
from search_space.space import Space
from supernet.checkpoints.image_input import CIFAR10_SCALE, IMAGENET_SCALE, PixelScale
from supernet.images.data_sets import ImageData, open_data
from supernet.images.folder_layouts import add_data
from supernet.torch_models.brought_model import CHECKPOINT, SPACE, from_torch
from supernet.torch_models.model_source import load_model
from supernet.torch_models.subnet_worth import Scorer

SCALES = {"imagenet": IMAGENET_SCALE, "cifar10": CIFAR10_SCALE}
"""Pixel scales by name."""
SCORED, CALIBRATED_ON = 500, 256
"""Numbers of search and calibration images that show what subnets are worth."""


def make_parser() -> Parser:
    parser = Parser(
        prog="python -m supernet.bring",
        description="Make a search space and a checkpoint of a trained torch model.",
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="torchvision:NAME, timm:NAME, or module:function of a function that returns a torch.nn.Module",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="trained weights: a safetensors file, or one of torch.save(model.state_dict(), FILE); "
        "optional for module:function",
    )
    parser.add_argument(
        "--option",
        type=_option,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="argument of the model, such as width_mult=0.5; may be repeated",
    )
    parser.add_argument(
        "--side", type=int, required=True, metavar="N", help="side of the model's images in pixels"
    )
    parser.add_argument(
        "--mean",
        type=_mean,
        default="imagenet",
        metavar="A,B,C",
        help="mean of each channel that the model's training subtracted, in units of 255; or imagenet or "
        "cifar10 for mean and deviation of that data set (default: %(default)s)",
    )
    parser.add_argument(
        "--deviation",
        type=_numbers,
        metavar="A,B,C",
        help="deviation of each channel that it divided by, in units of 255 (default: that of --mean)",
    )
    parser.add_argument("--name", help="name of the search space (default: name of the folder --out)")
    add_data(parser.add_argument, otherwise="no accuracies")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="output folder")
    return parser


def main() -> None:
    arguments = make_parser().parse_args()
    _check_out(arguments.out)
    scale = _scale(arguments)
    model = load_model(arguments.model, arguments.weights, dict(arguments.option))
    mine = from_torch(
        model,
        side=arguments.side,
        mean=scale.mean,
        deviation=scale.deviation,
        name=arguments.name or arguments.out.resolve().name,
    )
    space = mine.space
    print(space.decode(space.largest()))
    print(mine.proof)
    print(_extent(space))
    data, scorer = None, None
    if arguments.data is not None:
        data = open_data(arguments.data, arguments.dataset, space)
        scorer = _scorer(data, scale)
        print(scorer.worth(mine))
    checkpoint = mine.save(arguments.out, data.class_names if data is not None else ())
    if scorer is not None:
        print(scorer.file_worth(checkpoint, mine))
        print("note: the model may have been trained on some of these images")
    print(f"space:      {arguments.out / SPACE}")
    print(f"checkpoint: {arguments.out / CHECKPOINT}")
    _show_next(arguments)


def _check_out(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise H4HError(f"--out must be a folder, but {out} is a file")
    for name in (SPACE, CHECKPOINT):
        if (out / name).exists():
            raise H4HError(
                f"{out / name} exists and may hold your changes: choose another --out, or delete it"
            )


def _scale(arguments: Namespace) -> PixelScale:
    """Normalisation of the pixels."""
    if isinstance(arguments.mean, str):
        named = SCALES[arguments.mean]
        return PixelScale(named.mean, arguments.deviation or named.deviation)
    if arguments.deviation is None:
        raise H4HError("--deviation is missing: give three numbers, as --mean has no data set's name")
    return PixelScale(arguments.mean, arguments.deviation)


def _mean(text: str) -> str | tuple[float, float, float]:
    return text if text in SCALES else _numbers(text)


def _numbers(text: str) -> tuple[float, float, float]:
    try:
        first, second, third = map(float, text.split(","))
    except ValueError as error:
        names = ", ".join(SCALES)
        raise ArgumentTypeError(
            f"must be three numbers such as 0.5,0.5,0.5 (or, for --mean, one of {names}), but got {text!r}"
        ) from error
    return first, second, third


def _option(text: str) -> tuple[str, object]:
    name, sign, value = text.partition("=")
    try:
        read = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ArgumentTypeError(f"the value of {name!r} cannot be read: {value!r}") from error
    if not name.isidentifier() or not sign:
        raise ArgumentTypeError(f"must be NAME=VALUE such as width_mult=0.5, but got {text!r}")
    return name, read


def _extent(space: Space) -> str:
    largest, smallest = (
        complexity.macs(space.decode(genotype)) for genotype in (space.largest(), space.smallest())
    )
    return (
        f"space {space.name}: {len(space.genes)} genes, {space.cardinality:.1e} networks of "
        f"{smallest / 1e6:.4g} to {largest / 1e6:.4g} million multiply-accumulates"
    )


def _scorer(data: ImageData, scale: PixelScale) -> Scorer:
    split = data.split()
    search, calibration = (
        data.train.subset(indices) for indices in (split.search[:SCORED], split.train[:CALIBRATED_ON])
    )
    return Scorer(search, calibration, scale)


def _show_next(arguments: Namespace) -> None:
    data = ["--data", str(arguments.data or "DIR")]
    out = arguments.out
    print("next:")
    for title, words in (
        (
            "train its subnets",
            [
                *(
                    "python",
                    "-m",
                    "supernet.train",
                    "--space",
                    str(out / SPACE),
                    "--from",
                    str(out / CHECKPOINT),
                ),
                *(*data, "--out", f"{out}-trained"),
            ],
        ),
        (
            "search it untrained",
            [
                *("python", "-m", "studies.run", "--checkpoint", str(out / CHECKPOINT), *data),
                *("--objectives", "acc,lat,energy"),
            ],
        ),
    ):
        print(f"  {title}: {shlex.join(words)}")


if __name__ == "__main__":
    run_command(main)
