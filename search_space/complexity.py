"""Multiply-accumulates and parameters of a subnet in closed form.

Tests check both against torch's FLOP counter and against an extracted network.
"""

from __future__ import annotations

from search_space.subnet import Subnet, downsampled


def macs(subnet: Subnet) -> int:
    """Multiply-accumulates for one image: convolutions, linear layers and both attention products."""
    side = downsampled(subnet.resolution, subnet.stem.stride)
    total = stem_macs(subnet)
    for part in subnet.sequence():
        total += part.macs(side)
        side = downsampled(side, part.stride)
    return total + head_macs(subnet)


def stem_macs(subnet: Subnet) -> int:
    """Multiply-accumulates of the first convolution."""
    return subnet.sides[0] ** 2 * subnet.stem.kernel**2 * 3 * subnet.stem.width


def head_macs(subnet: Subnet) -> int:
    """Multiply-accumulates of the last convolution and the classifier."""
    head = subnet.head
    return subnet.sides[-1] ** 2 * head.in_width * head.width + classifier_macs(subnet)


def classifier_macs(subnet: Subnet) -> int:
    """Multiply-accumulates of the classifier, the last layer of the head."""
    return subnet.head.width * subnet.head.classes


def params(subnet: Subnet) -> int:
    """Number of trained parameters of the deployed network.

    Convolutions carry no bias; batch norm behind them and layer norm two numbers a channel; layer scale one a
    channel and branch. Batch norm of a transformer block has none: the weights and biases of the linear
    layer behind it hold it. A stage with transformer blocks holds one position embedding of its own size.
    """
    total = stem_params(subnet)
    for part in subnet.sequence():
        total += part.params
    for stage, side in zip(subnet.stages, subnet.sides[1:], strict=True):
        if any(block.takes_tokens for block in stage.blocks):
            total += side**2 * stage.width
    return total + head_params(subnet)


def stem_params(subnet: Subnet) -> int:
    """Parameters of the first convolution and its batch norm."""
    return subnet.stem.kernel**2 * 3 * subnet.stem.width + 2 * subnet.stem.width


def head_params(subnet: Subnet) -> int:
    """Parameters of the last convolution, its batch norm and the classifier."""
    head = subnet.head
    return (head.in_width + 2) * head.width + classifier_params(subnet)


def classifier_params(subnet: Subnet) -> int:
    """Parameters of the classifier, the last layer of the head."""
    return (subnet.head.width + 1) * subnet.head.classes
