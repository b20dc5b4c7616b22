"""Folder layouts by which data sets are recognised, and the options --data and --dataset.

| data set | content of the folder |
|---|---|
| ``cifar10`` | ``cifar-10-batches-bin/`` (of `python -m supernet.data`) or ``cifar-10-batches-py/`` |
| ``cifar100`` | ``cifar-100-python/`` |
| ``fashion-mnist`` | ``FashionMNIST/raw/`` |
| ``folder`` | ``train/CLASS/*.jpg`` and ``val/CLASS/*.jpg`` (or a usual name): ImageNet, or your own images |

The first three are the layouts of `torchvision.datasets`. This module needs no torch, so that a command can
refuse a wrong folder at once.
"""

from __future__ import annotations

from argparse import ArgumentError, ArgumentParser
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from search_space.command.printed_command import local_command
from search_space.errors import H4HError

CIFAR10_BATCHES = "cifar-10-batches-bin"
CIFAR10_PICKLES = "cifar-10-batches-py"
TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("val", "validation", "valid", "dev", "test", "testing")
"""Usual names of the folders of training and of test images, in order of preference."""

LAYOUTS = {
    "cifar10": (CIFAR10_BATCHES, CIFAR10_PICKLES),
    "cifar100": ("cifar-100-python",),
    "fashion-mnist": ("FashionMNIST",),
    "folder": TRAIN_NAMES,
}
"""Data sets by name, with the folders by which each is recognised."""


class DatasetError(H4HError):
    """A data set that is absent, damaged, or cannot be downloaded."""


DEFAULT_DATA = Path("data")
"""Default folder of commands that need a data set."""


def add_data(
    add: Callable[..., object],
    default: Path | None = None,
    *,
    otherwise: str = "images of CIFAR-10 that are in the repository",
) -> None:
    """Adds the options --data and --dataset.

    Args:
        add: `add_argument` of a parser or a group.
        default: Default folder, or None.
        otherwise: Images that are used without --data if there is no default folder.
    """
    add(
        "--data",
        type=Path,
        default=default,
        metavar="DIR",
        help="folder of CIFAR-10, CIFAR-100, Fashion-MNIST, or of train/CLASS/*.jpg and val/CLASS/*.jpg "
        f"(default: {default or otherwise})",
    )
    add(
        "--dataset",
        choices=tuple(LAYOUTS),
        help="data set to read if DIR holds several (default: recognised from the folder)",
    )


def refuse_wrong_data(words: Sequence[str], default: Path | None = None) -> None:
    """Refuses a wrong --data among the `words` of a command line, before the command imports torch.

    Args:
        words: The command line. What else is wrong with it, such as nothing in it, is left to the command's
            own parser.
        default: Default of --data.

    Raises:
        DatasetError: As `recognised`.
    """
    parser = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--dataset", choices=tuple(LAYOUTS))
    with suppress(ArgumentError):
        known, others = parser.parse_known_args(list(words))
        if words and known.data is not None and not {"-h", "--help"} & set(others):
            recognised(known.data, known.dataset)


def split_folders(directory: Path, names: Sequence[str]) -> list[Path]:
    """Folders in `directory` called like one of `names`, in their order; capitals do not matter."""
    try:
        present = [path.name for path in directory.iterdir()]
    except OSError:
        return []
    ranks = {name: names.index(name.lower()) for name in present if name.lower() in names}
    # The exact name first, where a file system tells capitals apart.
    ordered = sorted(ranks, key=lambda name: (ranks[name], name not in names, name))
    return [directory / name for name in ordered if (directory / name).is_dir()]


def _is_folder_of_folders(directory: Path) -> bool:
    return directory.is_dir() and sum(path.is_dir() for path in directory.iterdir()) > 1


def download_command(name: str, directory: Path) -> str:
    """The command that downloads a data set into `directory`."""
    return local_command("supernet.data", [name, "--data", str(directory.absolute())])


def recognised(directory: Path, name: str | None = None) -> str:
    """Name of the data set in `directory`.

    Args:
        directory: Folder given as --data.
        name: Name given as --dataset, one of `LAYOUTS`; needed only if several data sets share the folder.

    Raises:
        DatasetError: `directory` holds no data set, or not `name`, or several without a `name`.
    """
    names = [
        data_set
        for data_set, folders in LAYOUTS.items()
        if (
            split_folders(directory, folders)
            if data_set == "folder"
            else any((directory / folder).is_dir() for folder in folders)
        )
    ]
    if name is None and len(names) == 1:
        return names[0]
    if name in names:
        assert name is not None
        return name
    if name is None and names:
        raise DatasetError(f"--data {directory} holds {' and '.join(names)}: choose one with --dataset")
    missing = f"no {name}" if name else "no data set"
    remedy = {
        "folder": f"put the images of each class into {directory}/{TRAIN_NAMES[0]}/CLASS",
        None: f"run `{download_command('cifar10', directory)}` for CIFAR-10 (or cifar100, "
        f"fashion-mnist), or put your own images into {directory}/{TRAIN_NAMES[0]}/CLASS",
    }.get(name, f"run `{download_command(str(name), directory)}`")
    if name in ("folder", None) and _is_folder_of_folders(directory):
        command = local_command("supernet.inspect", ["--data", str(directory.absolute()), "--split", "0.2"])
        remedy = (
            f"if its folders are classes, run `{command}`, "
            f"which makes {TRAIN_NAMES[0]}/ and {TEST_NAMES[0]}/ of them; else {remedy}"
        )
    where = "holds" if directory.is_dir() else "is no folder and holds"
    raise DatasetError(f"--data {directory} {where} {missing}: {remedy}")
