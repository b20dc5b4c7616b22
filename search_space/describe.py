"""Command that prints a search space: genes, number of networks, extremes, and families of random samples.

python -m search_space.describe --space cifar32
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from search_space import complexity
from search_space.command.command_line import Parser, run_command
from search_space.families import family, family_counts
from search_space.genotype import Genotype
from search_space.space import Space, load_space

SAMPLES = 1_000


def describe(space: Space, seed: int) -> dict[str, Any]:
    """Everything that the command prints, as plain data.

    Args:
        space: The search space.
        seed: Seed of the random samples.
    """
    rng = np.random.default_rng(seed)
    samples = [space.decode(space.sample(rng)) for _ in range(SAMPLES)]
    sizes = sorted(map(complexity.macs, samples))
    return {
        "space": space.name,
        "genes": [{"name": gene.name, "options": list(gene.options)} for gene in space.genes],
        "networks": space.cardinality,
        "smallest": _network(space, space.smallest()),
        "largest": _network(space, space.largest()),
        "samples": SAMPLES,
        "sample_macs": {"min": sizes[0], "median": sizes[SAMPLES // 2], "max": sizes[-1]},
        "families": {member.value: count for member, count in family_counts(samples).items()},
    }


def _network(space: Space, genotype: Genotype) -> dict[str, Any]:
    subnet = space.decode(genotype)
    return {
        "genotype": list(genotype),
        "macs": complexity.macs(subnet),
        "params": complexity.params(subnet),
        "conv_blocks": subnet.conv_blocks,
        "vit_blocks": subnet.vit_blocks,
        "family": family(subnet).value,
        "text": str(subnet),
    }


def _print(record: dict[str, Any], console: Console) -> None:
    genes = Table("gene", "options", title=f"search space {record['space']}", box=box.SIMPLE_HEAD)
    for gene in record["genes"]:
        genes.add_row(gene["name"], ", ".join(map(str, gene["options"])))
    console.print(genes)
    console.print(
        f"{len(record['genes'])} genes, {record['networks']:,} distinct networks ({record['networks']:.2e})\n"
    )
    extremes = Table("", "MMAC", "parameters", "conv blocks", "ViT blocks", "family", box=box.SIMPLE_HEAD)
    for name in ("smallest", "largest"):
        network = record[name]
        cells = (f"{network['macs'] / 1e6:.2f}", f"{network['params']:,}")
        blocks = (str(network["conv_blocks"]), str(network["vit_blocks"]))
        extremes.add_row(name, *cells, *blocks, network["family"])
    console.print(extremes)
    for name in ("smallest", "largest"):
        console.print(f"{name}: {record[name]['text']}", soft_wrap=True)
    sizes = record["sample_macs"]
    console.print(
        f"\n{record['samples']:,} random samples: {sizes['min'] / 1e6:.2f} to {sizes['max'] / 1e6:.2f} MMAC, "
        f"median {sizes['median'] / 1e6:.2f}"
    )
    families = Table("family", "samples", box=box.SIMPLE_HEAD)
    for member, count in record["families"].items():
        families.add_row(member, f"{count:,}")
    console.print(families)


def main() -> None:
    """Runs the command."""
    parser = Parser(prog="python -m search_space.describe", description="Print a search space.")
    parser.add_argument(
        "--space", default="cifar32", help="name or YAML file of the search space (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of the random samples (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    arguments = parser.parse_args()
    if arguments.seed < 0:
        parser.error(f"--seed must be at least 0, but got {arguments.seed}")
    record = describe(load_space(arguments.space), arguments.seed)
    if arguments.json:
        print(json.dumps(record, indent=2))
    else:
        _print(record, Console(markup=False, emoji=False))


if __name__ == "__main__":
    run_command(main)
