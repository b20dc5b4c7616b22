"""Models of torchvision and timm that `supernet.bring` reads, and the layers for which it refuses others.

    python -m benchmarks.supernet.torch_models

Each model has weights of real spread: batch-norm statistics are those of a few random batches. Models of timm
need timm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.command.command_line import Parser, run_command
from search_space.command.wide_table import print_wide
from search_space.errors import H4HError
from supernet.checkpoints.image_input import IMAGENET_SCALE
from supernet.torch_models.brought_model import from_torch
from supernet.torch_models.model_source import library_model

SIDE = 64
BATCHES, IMAGES = 3, 8


@dataclass(frozen=True)
class Candidate:
    """A model of a library."""

    source: str
    options: dict[str, Any] = field(default_factory=dict)
    side: int = SIDE

    @property
    def title(self) -> str:
        options = ", ".join(f"{name}={value}" for name, value in self.options.items())
        return f"{self.source}, {options}" if options else self.source


CANDIDATES = (
    Candidate("torchvision:mobilenet_v2", {"width_mult": 0.5}),
    Candidate("torchvision:mobilenet_v2"),
    Candidate("torchvision:mobilenet_v2", {"width_mult": 1.4}),
    Candidate("timm:mobilenetv2_035"),
    Candidate("timm:mobilenetv2_110d"),
    Candidate("timm:mobilenetv2_140"),
    Candidate("timm:efficientnet_lite0"),
    Candidate("timm:efficientnet_lite4"),
    Candidate("timm:tf_efficientnet_lite0"),
    Candidate("torchvision:mnasnet1_0"),
    Candidate("timm:spnasnet_100"),
    Candidate("torchvision:mobilenet_v3_small"),
    Candidate("torchvision:efficientnet_b0"),
    Candidate("torchvision:resnet18"),
    Candidate("torchvision:shufflenet_v2_x1_0"),
    # It takes images of one size alone.
    Candidate("timm:deit_tiny_patch16_224", side=224),
)


def make_parser() -> Parser:
    parser = Parser(
        prog="python -m benchmarks.supernet.torch_models",
        description="Read models of torchvision and timm as search spaces.",
    )
    parser.add_argument(
        "--models", metavar="TEXT", default="", help="only models whose name holds this text (default: all)"
    )
    return parser


def main() -> None:
    arguments = make_parser().parse_args()
    chosen = [candidate for candidate in CANDIDATES if arguments.models in candidate.title]
    if not chosen:
        titles = ", ".join(candidate.title for candidate in CANDIDATES)
        raise H4HError(f"--models must be part of a name, but got {arguments.models!r}; the names: {titles}")
    table = Table("model", "read", "result")
    for candidate in chosen:
        is_read, result = outcome(candidate)
        table.add_row(candidate.title, "yes" if is_read else "no", result)
    print_wide(table)


def outcome(candidate: Candidate) -> tuple[bool, str]:
    """Whether a model is read, and its space or the reason."""
    torch.manual_seed(0)
    library, _, name = candidate.source.partition(":")
    model = library_model(library, name, candidate.options)
    _spread(model, candidate.side)
    scale = IMAGENET_SCALE
    try:
        mine = from_torch(model, side=candidate.side, mean=scale.mean, deviation=scale.deviation)
    except H4HError as error:
        return False, str(error)
    equal = "equal to the bit" if mine.proof.is_equal else f"gap {mine.proof.gaps[-1].relative:.0e}"
    blocks = len(mine.proof.gaps) - 2
    return True, f"{blocks} blocks, {len(mine.space.genes)} genes, {equal}"


def _spread(model: nn.Module, side: int) -> None:
    """Gives batch norm the statistics of random images, so that class scores differ between images."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            module.reset_running_stats()
            module.momentum = None  # the mean over all batches
    model.train()
    with torch.no_grad():
        for _ in range(BATCHES):
            model(_images(side))


def _images(side: int) -> Tensor:
    areas = F.interpolate(torch.randn(IMAGES, 3, 3, 3), (side, side), mode="bilinear")
    return areas + 0.3 * torch.randn(IMAGES, 3, side, side)


if __name__ == "__main__":
    run_command(main)
