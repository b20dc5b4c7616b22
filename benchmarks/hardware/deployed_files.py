"""Exported .tflite files of random subnets against the int8 oracle, the network's steps, and Arm's compiler.

    python -m benchmarks.hardware.deployed_files [--networks 20] [--images 2000] [--json]

Subnets of `cifar32` with the shipped weights, as many CNNs as hybrids. Each file classifies search images in
LiteRT; the int8 oracle classifies the same. Vela compiles each file for the U55-256 alone, and the cost model
costs the same subnet.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch
from rich.table import Table
from scipy.stats import spearmanr

from benchmarks.hardware.npu_chips import ARRAY, HYBRID, family
from objectives.deployment.deployed_subnet import deployed
from objectives.deployment.litert import litert_scores
from objectives.deployment.network_graph import network_graph
from objectives.deployment.step_differences import step_differences
from objectives.hardware import CostModel, load_soc
from objectives.hardware.vela_compiler.vela import compiled_model, compiler_options, system_configuration
from objectives.workload import ops_of, peak_bytes, read_again, workload
from search_space.arrays import Floats
from search_space.command.command_line import Parser, check_least, run_command
from search_space.command.wide_table import print_wide
from search_space.subnet import Subnet
from studies.deployment.file_checks import FEWEST_VALUES
from supernet import load
from supernet.accuracy.one_subnet import PreparedImages, prepare
from supernet.images.evaluation_pack import CALIBRATED_ON, built_in_pack, load_pack
from supernet.network.supernet import Supernet

SPACE, CHIP = "cifar32", "u55-256"
NAMES = {ARRAY: "CNNs", HYBRID: "hybrids"}
STEPPED = 4
"""Number of images for which every step is compared."""


@dataclass(frozen=True)
class FileFigures:
    """One file.

    Attributes:
        same_class: Share of images of the same class by file and oracle, in %.
        accuracy: Accuracy of the file less that of the oracle, in percentage points.
        mean: Largest mean difference of a step, in steps of its grid.
        absolute: Largest mean absolute difference of a step.
        cycles: Cycles by the compiler.
        modelled: Cycles by the cost model.
        sram: Peak of the activation memory by the model over that of the compiler.
    """

    same_class: float
    accuracy: float
    mean: float
    absolute: float
    cycles: int
    modelled: float
    sram: float


def figures(
    supernet: Supernet,
    subnet: Subnet,
    calibration: PreparedImages,
    images: PreparedImages,
    *,
    delegates: bool,
) -> FileFigures:
    """The figures of one subnet."""
    network = deployed(supernet, subnet, calibration)
    graph, output = network_graph(subnet, network)
    content = graph.model([output])
    inputs = [network.stored_image(batch).numpy() for batch, _ in images.batches]
    found = np.concatenate([litert_scores(content, one, delegates=delegates).argmax(1) for one in inputs])
    oracle = torch.cat([network.oracle_logits(batch).argmax(1) for batch, _ in images.batches]).numpy()
    labels = torch.cat([labels for _, labels in images.batches]).numpy()
    steps = step_differences(graph, content, network, images.batches[0][0][:STEPPED])
    soc = load_soc(CHIP)
    report = compiled_model(content, system_configuration(soc.npu), compiler_options(soc.npu))
    ops = workload(subnet)
    cost = CostModel(soc).network(ops_of(ops), read_again(ops))
    return FileFigures(
        same_class=100 * float((found == oracle).mean()),
        accuracy=100 * float((found == labels).mean() - (oracle == labels).mean()),
        mean=max(abs(step.mean) for step in steps if step.values >= FEWEST_VALUES),
        absolute=max(step.absolute for step in steps),
        cycles=sum(report.cycles.values()),
        modelled=sum(op.cycles for op in cost.ops),
        sram=peak_bytes(ops) / report.sram_bytes,
    )


ROWS: Mapping[str, Callable[[Mapping[str, Floats]], str]] = {
    "same class as the oracle, mean %": lambda by: f"{by['same_class'].mean():.2f}",
    "the lowest %": lambda by: f"{by['same_class'].min():.2f}",
    "accuracy less the oracle's, mean points": lambda by: f"{by['accuracy'].mean():+.3f}",
    "its largest size, points": lambda by: f"{np.abs(by['accuracy']).max():.2f}",
    "largest mean difference of a step": lambda by: f"{by['mean'].max():.2f}",
    "largest absolute difference of a step": lambda by: f"{by['absolute'].max():.2f}",
    "cycles, model against Vela, mean error %": lambda by: (
        f"{100 * np.abs(by['modelled'] / by['cycles'] - 1).mean():.2f}"
    ),
    "the largest error %": lambda by: f"{100 * np.abs(by['modelled'] / by['cycles'] - 1).max():.2f}",
    "Spearman of the cycles": lambda by: (
        f"{spearmanr(by['modelled'], by['cycles']).statistic:.4f}" if len(by["cycles"]) > 1 else "-"
    ),
    "SRAM, model over Vela": lambda by: f"{by['sram'].min():.3f} to {by['sram'].max():.3f}",
}
"""Rows of the table, from the figures of one family by their names."""


def main() -> None:
    """Runs the command."""
    parser = Parser(
        prog="python -m benchmarks.hardware.deployed_files", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument(
        "--networks", type=int, default=20, help="number of subnets of each family (default: %(default)s)"
    )
    parser.add_argument(
        "--images", type=int, default=2000, help="number of search images (default: %(default)s)"
    )
    parser.add_argument(
        "--delegates",
        action="store_true",
        help="run files by LiteRT's delegates for this machine's CPU, whose rounding differs from a chip's",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    check_least(options, networks=1, images=1)
    supernet, pack, cpu = load(SPACE), load_pack(built_in_pack()), torch.device("cpu")
    calibration = prepare(
        pack.calibration[:CALIBRATED_ON], precision="fp32", device=cpu, scale=supernet.pixel_scale
    )
    images = prepare(pack.search[: options.images], precision="fp32", device=cpu, scale=supernet.pixel_scale)
    rows = {
        NAMES[kind]: [
            figures(supernet, subnet, calibration, images, delegates=options.delegates)
            for subnet in family(options.networks, options.seed, kind, [SPACE])
        ]
        for kind in (ARRAY, HYBRID)
    }
    if options.json:
        print(json.dumps({name: list(map(asdict, found)) for name, found in rows.items()}, indent=2))
        return
    table = Table(title=f"files of {SPACE} on {len(images):,} images; {CHIP}")
    table.add_column("figure")
    for name, found in rows.items():
        table.add_column(f"{len(found)} {name}", justify="right")
    columns = {
        name: {key: np.array([asdict(row)[key] for row in found]) for key in asdict(found[0])}
        for name, found in rows.items()
    }
    for title, text in ROWS.items():
        table.add_row(title, *(text(by) for by in columns.values()))
    print_wide(table)


if __name__ == "__main__":
    run_command(main)
