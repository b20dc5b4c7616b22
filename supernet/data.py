"""Prepares data sets.

python -m supernet.data cifar10            # download CIFAR-10 into ./data; also cifar100, fashion-mnist
python -m supernet.data imagenet --data D  # unpack the ImageNet archives in D
python -m supernet.data pack --out DIR     # write the evaluation pack from CIFAR-10
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from search_space.command.command_line import Parser, run_command
from supernet.images import cifar10
from supernet.images.evaluation_pack import write_pack
from supernet.images.folder_layouts import DatasetError


def _download(name: str, directory: Path) -> None:
    """Downloads the torchvision data set called `name`, unless it is already in `directory`."""
    from torchvision import datasets

    data_set: Callable[..., object] = getattr(datasets, name)
    try:
        with cifar10.network_timeout(20):
            data_set(str(directory), download=True)
    except (RuntimeError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(
            f"{name} cannot be downloaded ({reason}): copy torchvision's folder of it, or its archive, "
            f"into {directory.resolve()}"
        ) from error
    print(f"{name} is complete in {directory}")


def _unpack_imagenet(directory: Path) -> None:
    """Sorts the images of the official archives into one folder per class, by torchvision."""
    from torchvision.datasets import ImageNet

    try:
        for split in ("train", "val"):
            print(f"unpacking ImageNet's {split} images in {directory}, unless they are already there")
            ImageNet(str(directory), split=split)
    except ImportError as error:
        raise DatasetError(
            f"torchvision needs scipy to read ImageNet's list of classes ({error}): install scipy"
        ) from error
    except (RuntimeError, OSError) as error:
        raise DatasetError(f"ImageNet cannot be unpacked: {' '.join(str(error).split())}") from error
    print(f"ImageNet is complete in {directory}")


def main() -> None:
    parser = Parser(prog="python -m supernet.data", description="Prepare data sets.")
    parser.add_argument(
        "target",
        choices=("cifar10", "cifar100", "fashion-mnist", "imagenet", "pack"),
        help="data set to download (imagenet: to unpack), or the evaluation pack to write",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("data"),
        metavar="DIR",
        help="folder of data sets (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="output folder of the evaluation pack")
    arguments = parser.parse_args()
    match arguments.target:
        case "cifar10":
            cifar10.prepare(arguments.data, print)
        case "cifar100":
            _download("CIFAR100", arguments.data)
        case "fashion-mnist":
            _download("FashionMNIST", arguments.data)
        case "imagenet":
            _unpack_imagenet(arguments.data)
        case _ if arguments.out is None:
            parser.error("`pack` needs --out DIR")
        case _:
            write_pack(arguments.out, cifar10.load(arguments.data)[0])


if __name__ == "__main__":
    run_command(main)
