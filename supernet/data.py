"""Prepares data sets.

python -m supernet.data cifar10            # fetch CIFAR-10 into ./data; also cifar100, fashion-mnist
python -m supernet.data imagenet --data D  # unpack the ImageNet archives that lie in D
python -m supernet.data pack --out DIR     # make the evaluation pack from CIFAR-10
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from torchvision.datasets import CIFAR100, FashionMNIST, ImageNet

from search_space.command.command_line import Parser, run_command
from supernet.images import cifar10
from supernet.images.evaluation_pack import write_pack
from supernet.images.folder_layouts import DatasetError


def _fetch(kind: Callable[..., object], directory: Path) -> None:
    """Downloads a data set by torchvision, unless it is there already."""
    try:
        with cifar10.network_timeout(20):
            kind(str(directory), download=True)
    except (RuntimeError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(
            f"{kind.__name__} cannot be fetched ({reason}): put torchvision's folder of it, or the archive "
            f"it is unpacked from, into {directory.resolve()}"
        ) from error
    print(f"{kind.__name__} is complete in {directory}")


def _unpack_imagenet(directory: Path) -> None:
    """Sorts the images of the official archives into a folder for each class, by torchvision."""
    try:
        for split in ("train", "val"):
            print(f"unpacking ImageNet's {split} images in {directory}, unless they are there")
            ImageNet(str(directory), split=split)
    except ImportError as error:
        raise DatasetError(
            f"torchvision reads ImageNet's list of classes by scipy ({error}): install it"
        ) from error
    except (RuntimeError, OSError) as error:
        raise DatasetError(f"ImageNet cannot be unpacked: {' '.join(str(error).split())}") from error
    print(f"ImageNet is complete in {directory}")


def main() -> None:
    parser = Parser(prog="python -m supernet.data", description="Prepare data sets.")
    parser.add_argument(
        "what",
        choices=("cifar10", "cifar100", "fashion-mnist", "imagenet", "pack"),
        help="data set to fetch (imagenet: to unpack), or the evaluation pack",
    )
    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="folder of data sets (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, help="folder of the pack (with `pack`)")
    arguments = parser.parse_args()
    match arguments.what:
        case "cifar10":
            cifar10.prepare(arguments.data, print)
        case "cifar100":
            _fetch(CIFAR100, arguments.data)
        case "fashion-mnist":
            _fetch(FashionMNIST, arguments.data)
        case "imagenet":
            _unpack_imagenet(arguments.data)
        case _ if arguments.out is None:
            parser.error("`pack` needs --out DIR")
        case _:
            write_pack(arguments.out, cifar10.load(arguments.data)[0])


if __name__ == "__main__":
    run_command(main)
