"""Options of `studies.run`."""

from __future__ import annotations

from argparse import _ArgumentGroup
from pathlib import Path

from objectives.hardware import MAPPINGS
from objectives.hardware.npu_model import NPU_MODELS
from objectives.registry import known_objectives
from search_space.command.command_line import Parser
from studies.samplers.registry import known_samplers
from studies.search.first_generation import MOBILENET
from studies.storage.named_study import add_database
from studies.study.settings import DEFAULT_GENERATIONS, DEFAULT_SPACE, DEFAULTS, PREFERRING
from supernet.images.folder_layouts import add_data


def parser() -> Parser:
    """The command line of `studies.run`."""
    result = Parser(
        prog="python -m studies.run",
        description="Searches a space for Pareto-optimal networks. The same command again goes on.",
        epilog="example: python -m studies.run --objectives acc,lat,energy --constraint 'lat<=2ms'",
    )
    add = result.add_argument_group("what is searched").add_argument
    add(
        "--objectives", metavar="A,B,...", help=f"any of {','.join(known_objectives())}, in the order to show"
    )
    add(
        "--space",
        help=f"name or YAML file of the search space (default: that of --checkpoint, else {DEFAULT_SPACE})",
    )
    add("--hardware", help="name or YAML file of the SoC that lat, energy and area are of")
    add("--npu-model", help=f"what gives NPU cycles: {' or '.join(NPU_MODELS)}")
    add("--macros", type=int, metavar="N", help="as many CIM macros instead of the SoC's own")
    add("--units", type=int, metavar="M", help="as many compute units in each macro")
    add(
        "--search-hardware",
        metavar="CHOICES",
        help="search the chip together with the network: 'macros=0,1,2,4,8 units=1,2,4', or one of the two",
    )
    add(
        "--constraint",
        action="append",
        default=[],
        metavar="LIMIT",
        help="a limit with its unit, such as 'lat<=2ms', 'params<=1M', 'vit_blocks>=1'; may be repeated",
    )
    add("--mapping", choices=MAPPINGS, help="what the mapping of a subnet minimises, or its only device")
    add_search_options(result.add_argument_group("how it is searched"))
    add_stop_options(result.add_argument_group("when it stops (the first rule that holds)"))
    add = result.add_argument_group("how accuracy is measured").add_argument
    add("--checkpoint", type=Path, metavar="FILE", help="trained supernet (default: the one shipped)")
    add_data(add)
    add(
        "--val-images",
        type=int,
        metavar="N",
        help="images, held out of the training images, that score a subnet (default: 2000, or all there are)",
    )
    add(
        "--calibration-images",
        type=int,
        metavar="N",
        help="training images for its batch-norm statistics (default: 512, or all there are)",
    )
    add("--device", help="auto, cpu or cuda")
    add(
        "--precision",
        choices=("fp32", "bf16", "int8"),
        help="number format of weights and activations; int8 is what the hardware computes in",
    )
    add("--memory", metavar="SIZE", help="most that measuring acc may take; changes no value")
    add(
        "--racing",
        action="store_true",
        help="score images in slices, and stop a subnet early that has no hope to reach the front",
    )
    add(
        "--workers",
        type=int,
        metavar="N",
        help="processes that measure, with a core each (default: one per core); changes no value",
    )
    add("--dask", metavar="ADDRESS", help="measure on the Dask cluster with this scheduler; changes no value")
    add = result.add_argument_group("where it is kept").add_argument
    add_database(add)
    add("--study", metavar="NAME", help="name of the study (default: SPACE-OBJECTIVES-sSEED)")
    add("--log-json", type=Path, metavar="FILE", help="append progress to this file, a JSON object per line")
    result.set_defaults(**DEFAULTS)
    for action in result._actions:
        if DEFAULTS.get(action.dest) not in (None, [], False):
            action.help = f"{action.help} (default: %(default)s)"
    return result


def add_search_options(group: _ArgumentGroup) -> None:
    """Adds what `check_search` checks."""
    add = group.add_argument
    add("--sampler", help=f"one of {', '.join(known_samplers())}")
    add(
        "--prefer",
        action="append",
        metavar="VALUES",
        help=f"with --sampler {PREFERRING}: values to search near, such as acc=85%%,lat=0.5ms; an objective "
        f"left out is preferred at its best; may be repeated",
    )
    add("--population", type=int, metavar="N", help="subnets per generation, at least 2")
    add("--seed", type=int, metavar="S", help="decides every draw")
    add(
        "--seed-subnets",
        metavar="A,B,...",
        help=f"first generation, beside smallest and largest: {MOBILENET}, genotypes",
    )
    add(
        "--warm-start",
        metavar="STUDY",
        help="first generation: the front of this study, as far as its networks are in the space; FILE:STUDY "
        "for one in another database",
    )


def add_stop_options(group: _ArgumentGroup) -> None:
    """Adds the stop rules."""
    add = group.add_argument
    add(
        "--generations",
        type=int,
        metavar="N",
        help=f"generations, those stored included (default: {DEFAULT_GENERATIONS} if no other rule is given)",
    )
    add("--evaluations", type=int, metavar="N", help="subnets, those stored included")
    add("--minutes", type=float, metavar="T", help="minutes of this run")
    add("--patience", type=int, metavar="N", help="generations in a row without gain of hypervolume")
