"""Prepares data sets.

python -m supernet.data cifar10            # fetch CIFAR-10 into ./data
python -m supernet.data pack --out DIR     # make the evaluation pack from it
"""

from __future__ import annotations

from pathlib import Path

from search_space.command_line import Parser, run_command
from supernet import cifar10
from supernet.evaluation_pack import write_pack


def main() -> None:
    parser = Parser(prog="python -m supernet.data", description="Prepare data sets.")
    parser.add_argument("what", choices=("cifar10", "pack"), help="data set to fetch, or the evaluation pack")
    parser.add_argument(
        "--data", type=Path, default=Path("data"), help="folder of data sets (default: %(default)s)"
    )
    parser.add_argument("--out", type=Path, help="folder of the pack (with `pack`)")
    arguments = parser.parse_args()
    if arguments.what == "cifar10":
        cifar10.prepare(arguments.data, print)
    elif arguments.out is None:
        parser.error("`pack` needs --out DIR")
    else:
        write_pack(arguments.out, cifar10.load(arguments.data)[0])


if __name__ == "__main__":
    run_command(main)
