"""Comparison of a .tflite file with its network step by step, which finds faults that accuracy hides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from objectives.deployment.deployed_subnet import DeployedSubnet, oracle_name, zero_point
from objectives.deployment.litert import litert_tensors
from objectives.hardware.vela_compiler.tflite import Graph
from search_space.arrays import Integers

_GELU_INSIDE = (".fc1", ".gelu")
"""The layer whose last operator is a GELU has its name in the oracle."""


@dataclass(frozen=True)
class StepDifference:
    """Difference of a step's output between file and network, in steps of its grid.

    Attributes:
        step: Name in the workload.
        mean: Mean difference; near 0 if both round alike.
        absolute: Mean absolute difference.
        values: Number of values compared.
    """

    step: str
    mean: float
    absolute: float
    values: int


def step_differences(
    graph: Graph, content: bytes, subnet: DeployedSubnet, images: Tensor
) -> list[StepDifference]:
    """Differences of every step whose output the oracle stores, in order.

    Args:
        graph: Graph of the file.
        content: The file.
        subnet: The network.
        images: ``(n, 3, s, s)``, normalised.

    Raises:
        RuntimeMissingError: LiteRT is not installed.
    """
    nodes = {str(owner): node for owner, node in graph.outputs_by_owner().items()}
    stored = subnet.stored_tensors(images)
    names = {step: oracle_name(step).replace(*_GELU_INSIDE) for step in nodes}
    compared = [step for step in nodes if names[step] in stored]
    runs = litert_tensors(
        content, subnet.stored_image(images).numpy(), [nodes[step].index for step in compared]
    )
    rows: dict[str, list[Integers]] = {step: [] for step in compared}
    for number, tensors in enumerate(runs):
        for step, tensor in zip(compared, tensors, strict=True):
            wanted = _in_file_layout(step, stored[names[step]][number])
            # The network's zero point and not the file's, which may be the fault.
            found = tensor.astype(np.int64) - zero_point(subnet.integers.grids[names[step]])
            rows[step].append(found.reshape(wanted.shape) - wanted)
    result = []
    for step in compared:
        difference = np.stack(rows[step])
        result.append(
            StepDifference(step, float(difference.mean()), float(np.abs(difference).mean()), difference.size)
        )
    return result


def _in_file_layout(step: str, values: Tensor) -> Integers:
    """Maps (c, h, w) -> (h, w, c); tokens and the scores of heads as they are."""
    is_map = values.ndim == 3 and not step.endswith(".scores")
    result: Integers = (values.permute(1, 2, 0) if is_map else values).to(torch.int64).numpy()
    return result
