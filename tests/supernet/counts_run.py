"""Prints as JSON how many search images subnets of the shipped checkpoint are right on, in float32."""

from __future__ import annotations

import json

import torch

from objectives.accuracy_objective import Accuracy
from search_space.space import load_space
from supernet.checkpoints import built_in_checkpoint
from supernet.images.evaluation_pack import built_in_pack, load_pack
from tests.objectives.memory_run import SUBNETS

IMAGES = 512


def main() -> None:
    accuracy = Accuracy(
        checkpoint=built_in_checkpoint("cifar32"),
        space=load_space("cifar32"),
        pack=load_pack(built_in_pack()),
        val_images=IMAGES,
        calibration_images=256,
    )
    right = [int(one.sum()) for one in accuracy.right(SUBNETS)]
    # "AVX512" may have words behind it.
    capability = torch.backends.cpu.get_cpu_capability().split("_")[0]
    print(json.dumps({"capability": capability, "right": right}))


if __name__ == "__main__":
    main()
