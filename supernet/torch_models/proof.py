"""Proof that a supernet holds a torch model: the largest subnet against the model, block by block.

A fixed tolerance would let wrong networks pass whose scores hardly differ between images. The difference is
therefore compared with the spread over images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Interpreter, Node

from search_space.subnet import Subnet
from supernet.network.batch_norm import Recorded
from supernet.network.subnet_parts import parts
from supernet.network.supernet import Supernet
from supernet.torch_models.model_graph import ModelError, ModelGraph, evaluated
from supernet.torch_models.model_reader import ReadModel

TOLERANCE = 1e-4
"""Largest difference relative to the spread.

Rounding of float32 in 53 layers makes some 1e-5. A wrong layer makes more than 1e-3.
"""

LEAST_SPREAD = 1e-2
"""Smallest spread of the class scores relative to the largest score.

Rounding makes 1e-6 of the largest score, which must be less than `TOLERANCE` of the spread.
"""

CLASS_SCORES = "class scores"


@dataclass(frozen=True)
class Gap:
    """Difference between a subnet and the model at one place.

    Attributes:
        layer: Last layer of the block in the model, or `CLASS_SCORES`.
        largest: Largest absolute difference.
        relative: Root mean square of the difference relative to that of the spread over images.
    """

    layer: str
    largest: float
    relative: float


@dataclass(frozen=True)
class Proof:
    """Differences between the largest subnet and the model on random images.

    Attributes:
        images: Number of images.
        spread: Standard deviation of a class score over images, as root mean square over classes.
        gaps: Differences of the stem, of each block and of the class scores, before channels are sorted.
        is_equal: Whether the class scores are equal to the bit, before hidden channels are sorted.
        sorted_gap: Difference of the class scores after hidden channels are sorted.
    """

    images: int
    spread: float
    gaps: tuple[Gap, ...]
    is_equal: bool
    sorted_gap: Gap

    def __str__(self) -> str:
        equal = "equal to the bit" if self.is_equal else f"{self.gaps[-1].relative:.1e} of their spread apart"
        blocks = sum(gap.largest == 0 for gap in self.gaps[:-1])
        return (
            f"largest subnet and model on {self.images} random images: class scores {equal}, {blocks} of "
            f"{len(self.gaps) - 1} blocks equal to the bit; after sorting {self.sorted_gap.relative:.1e} of "
            f"the spread"
        )


Filled = tuple[Supernet, Recorded]
"""A supernet, and batch-norm statistics of its largest subnet."""


def prove(
    model: nn.Module,
    graph: ModelGraph,
    read: ReadModel,
    unsorted: Filled,
    by_importance: Filled,
    images: Tensor,
) -> Proof:
    """Compares the largest subnet with the model.

    Args:
        model: The model.
        graph: Its graph.
        read: The model as one of our networks.
        unsorted: Supernet with the weights of the model.
        by_importance: The same with sorted hidden channels.
        images: ``(n, 3, s, s)``, normalised; as many as the model was traced with.

    Raises:
        ModelError: They differ by more than `TOLERANCE`, or the model's scores are the same for all images.
    """
    with evaluated(model), torch.inference_mode():
        scores = model(images)
        spread = _spread(scores)
        if not torch.isfinite(scores).all() or spread <= LEAST_SPREAD * float(scores.abs().max()):
            raise ModelError(
                "the class scores of the model are not finite, or nearly the same for all images, so that "
                "they prove nothing: give a trained model, and the mean and deviation of its training"
            )
        expected = _outputs(graph, read, images)
        found = _subnet_outputs(unsorted, read.subnet, images)
        names = [name for name, _ in read.outputs]
        gaps = [_gap(*values) for values in zip(names, found, expected, strict=False)]
        gaps.append(_gap(CLASS_SCORES, found[-1], scores))
        after = _gap(CLASS_SCORES, _subnet_outputs(by_importance, read.subnet, images)[-1], scores)
    for gap in (*gaps, after):
        # Not `>`, so that NaN is refused.
        if not gap.relative <= TOLERANCE:
            raise ModelError(
                f"{gap.layer}: the largest subnet differs from the model by {gap.relative:.2g} of the spread "
                f"over images, but rounding explains {TOLERANCE:g} at most: the model computes something "
                f"that was not read"
            )
    return Proof(len(images), spread, tuple(gaps), torch.equal(found[-1], scores), after)


def _outputs(graph: ModelGraph, read: ReadModel, images: Tensor) -> list[Tensor]:
    """Outputs of the stem and of each block of the model."""
    wanted = [node for _, node in read.outputs]
    values: dict[Node, Tensor] = {}

    class Keeper(Interpreter):
        def run_node(self, node: Node) -> Any:
            value = super().run_node(node)
            if node in wanted:
                values[node] = value.clone()
            return value

    Keeper(graph.module).run(images)
    return [values[node] for node in wanted]


def _subnet_outputs(filled: Filled, subnet: Subnet, images: Tensor) -> list[Tensor]:
    """Outputs of the stem, of each block and of the classifier of the largest subnet."""
    supernet, statistics = filled
    outputs, x = [], images
    for part in parts(supernet, subnet):
        x = part.run(x, statistics)
        outputs.append(x.clone())
    return outputs[1:]  # without the resized images


def _gap(layer: str, found: Tensor, expected: Tensor) -> Gap:
    difference = (found - expected).double()
    spread = _spread(expected)
    root_mean_square = float(difference.square().mean().sqrt())
    # Equal values are no difference, whatever their spread.
    relative = 0.0 if root_mean_square == 0 else root_mean_square / spread if spread else float("inf")
    return Gap(layer, float(difference.abs().max()), relative)


def _spread(values: Tensor) -> float:
    """Standard deviation over images, as root mean square over all positions."""
    return float(values.double().var(0).mean().sqrt())
