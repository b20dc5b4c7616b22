"""List the ops whose measurement would make a study's latencies most certain, as a table to fill in.

python -m studies.measure NAME --out todo.csv [--device cim] [--tflite DIR]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from objectives.hardware import MAPPINGS, CostModel, load_soc, variant
from objectives.hardware.chip_options import add_hardware_options
from search_space.command.command_line import Parser, run_command
from search_space.errors import H4HError
from search_space.files.whole_file import whole_file
from search_space.space import load_space
from search_space.subnet import Subnet
from studies.analysis.unmeasured_ops import DEVICES, UnmeasuredOp, coverage, csv_text, front_models
from studies.storage.named_study import add_database, add_study, read_study

DEFAULT_OPS = 50
RANDOM_NETWORKS = 200


def parser() -> Parser:
    """The command line of this module."""
    result = Parser(
        prog="python -m studies.measure",
        description="List the ops of the NPU or the macros that are worth measuring on your silicon, the "
        "largest share of the latency first, as a table to fill in and to name in a chip file.",
    )
    add = result.add_argument
    which = result.add_mutually_exclusive_group(required=True)
    add_study(which, "study whose front is to be measured")
    which.add_argument(
        "--space",
        metavar="SPACE",
        help=f"name or YAML file of a search space, of which {RANDOM_NETWORKS} random networks are measured "
        f"on --hardware",
    )
    add_database(add)
    add_hardware_options(result)
    add(
        "--device",
        choices=DEVICES,
        default="npu",
        help="device whose ops to list: npu or the macros, cim (default: %(default)s)",
    )
    add("--out", type=Path, required=True, metavar="FILE", help="CSV file to write")
    add(
        "--tflite",
        type=Path,
        metavar="DIR",
        help="folder for one int8 .tflite file an op, for a board; NPU only",
    )
    add(
        "--ops",
        type=int,
        default=DEFAULT_OPS,
        metavar="N",
        help="maximum number of ops to list (default: %(default)s)",
    )
    return result


def front_of(database: Path, name: str) -> tuple[list[CostModel], list[Subnet]]:
    """The networks of a study's front and the cost model of each.

    Raises:
        H4HError: There is no such study, its front is empty, or its costs cannot be computed again.
    """
    study, evaluations = read_study(name, database)
    front = study.front(evaluations)
    if not front:
        raise H4HError(f"study {study.name!r} has no feasible network yet, so there is nothing to measure")
    return front_models(study, front)


def random_networks(space_name: str, model: CostModel) -> tuple[list[CostModel], list[Subnet]]:
    """Random networks of a space, all on one chip."""
    space, rng = load_space(space_name), np.random.default_rng(0)
    subnets = [space.decode(space.sample(rng)) for _ in range(RANDOM_NETWORKS)]
    return [model] * len(subnets), subnets


def write_models(folder: Path, ops: Sequence[UnmeasuredOp]) -> list[str]:
    """Writes one int8 model an op, and returns their names.

    Each op stands between two 1x1 convolutions or linear layers of 16 channels, so that its maps lie in
    memory as they do inside a network.
    """
    from objectives.hardware.vela_compiler.probe import probe
    from objectives.hardware.vela_compiler.tflite import Graph

    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for number, each in enumerate(ops, start=1):
        graph = Graph()
        outputs = probe(graph, each.op, owner=0)
        shape = each.op.shape.replace("->", "-").replace(" ", "-")
        names.append(f"{number:03d}-{each.op.kind}-{shape}.tflite")
        with whole_file(folder / names[-1]) as file:
            file.write_bytes(graph.model(outputs))
    return names


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the list and says how much it covers.

    Raises:
        H4HError: The study, space or chip does not exist, or a file cannot be written.
    """
    options = parser().parse_args(arguments)
    if options.ops < 1:
        raise H4HError(f"--ops must be at least 1, but got {options.ops}")
    if options.device != "npu" and options.tflite is not None:
        raise H4HError("--tflite writes models for the NPU; leave it out with --device cim")
    if options.study is not None:
        models, subnets = front_of(options.db, options.study)
        of_what = f"the front of study {options.study!r} ({len(subnets)} networks)"
    else:
        soc = variant(load_soc(options.hardware), macros=options.macros, units=options.units)
        models, subnets = random_networks(options.space, CostModel(soc, MAPPINGS[0]))
        of_what = f"{len(subnets)} random networks of {options.space} on {soc.name}"
    covered = coverage(models, subnets, options.device)
    if not (covered.unmeasured or covered.measured):
        raise H4HError(
            f"{of_what}: no op runs on the {DEVICES[options.device]}, so there is nothing to measure"
        )
    chosen = covered.unmeasured[: options.ops]
    try:
        files = None if options.tflite is None else write_models(options.tflite, chosen)
        with whole_file(options.out) as file:
            file.write_text(csv_text(chosen, files))
    except OSError as error:
        raise H4HError(f"cannot write {error.filename or options.out}: {error.strerror}") from error
    print(
        f"{of_what}: {covered.measured:.1%} of the latency is measured on the {DEVICES[options.device]}, "
        f"{covered.with_first(len(chosen)):.1%} with the {len(chosen)} ops of {options.out} "
        f"(of {len(covered.unmeasured)} that are not measured)"
    )
    print(
        f"fill in the column cycles (or rename it to us) and, where known, pJ; then name the file as "
        f"{options.device}.table in your chip file"
    )


if __name__ == "__main__":
    run_command(main)
