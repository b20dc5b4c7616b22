"""Prints by how many bytes processes grow at most while they measure accuracy, given as PRECISION=BYTES.

Each is a fork of this one, and has scored two subnets before its memory is looked at: code that is read from
files does not count. The largest subnet decides the growth, so a few others are enough.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from objectives.accuracy_objective import Accuracy
from search_space.genotype import parse
from search_space.space import load_space
from supernet.checkpoints import built_in_checkpoint
from supernet.images.evaluation_pack import built_in_pack, load_pack
from supernet.network.freed_memory import return_freed_memory

SPACE = load_space("cifar32")
OFFSPRING = Path("benchmarks/supernet/mid_search.txt").read_text().splitlines()[-5:]
SUBNETS = [SPACE.decode(one) for one in (SPACE.largest(), *map(parse, OFFSPRING))]
FEW = 4
"""Subnets that are measured, the largest among them."""
PACK = load_pack(built_in_pack())


def accuracy(precision: str, memory: float) -> Accuracy:
    return Accuracy(
        checkpoint=built_in_checkpoint("cifar32"),
        space=SPACE,
        pack=PACK,
        val_images=256,
        calibration_images=256,
        precision=precision,
        memory=memory,
    )


def resident(what: str) -> int:
    """``VmRSS``, now, or ``VmHWM``, the most since it was reset; bytes."""
    (line,) = (one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith(what))
    return int(line.split()[1]) * 1024


def main() -> None:
    torch.set_num_threads(1)
    for argument in sys.argv[1:]:
        precision, memory = argument.split("=")
        if os.fork() == 0:
            objective = accuracy(precision, float(memory))
            objective(SUBNETS[1:3])
            return_freed_memory()
            before = resident("VmRSS")
            Path("/proc/self/clear_refs").write_text("5")
            values = objective(SUBNETS[:FEW])
            print(resident("VmHWM") - before, *values, flush=True)
            os._exit(0)
        os.wait()


if __name__ == "__main__":
    main()
