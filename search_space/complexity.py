"""Multiply-accumulates and parameters of a subnet in closed form.

Tests check both against torch's FLOP counter and against an extracted network.
"""

from __future__ import annotations

from search_space.subnet import MBConv, PatchMerging, Subnet, ViTBlock, downsampled

Part = MBConv | PatchMerging | ViTBlock


def macs(subnet: Subnet) -> int:
    """Multiply-accumulates for one image: convolutions, linear layers and both attention products."""
    side = downsampled(subnet.resolution, subnet.stem.stride)
    total = stem_macs(subnet)
    for part in subnet.sequence():
        total += part_macs(part, side)
        if not isinstance(part, ViTBlock):
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


def part_macs(part: Part, side: int) -> int:
    """Multiply-accumulates of one block or down-sampling step with an input of `side` x `side` positions."""
    if isinstance(part, ViTBlock):
        tokens = side**2
        linear = 4 * part.width * part.attention_width + 2 * part.width * part.mlp_width
        return tokens * linear + 2 * tokens**2 * part.attention_width
    positions = downsampled(side, part.stride) ** 2
    if isinstance(part, PatchMerging):
        return positions * part.kernel**2 * part.in_width * part.width
    expand = side**2 * part.in_width * part.hidden_width if part.expansion > 1 else 0
    return expand + positions * part.hidden_width * (part.kernel**2 + part.width)


def params(subnet: Subnet) -> int:
    """Number of trained parameters of the deployed network.

    Convolutions have no bias. Batch norm and layer norm have two parameters per channel, layer scale one per
    channel and branch. A stage with transformer blocks has one position embedding of its size.
    """
    total = stem_params(subnet)
    for part in subnet.sequence():
        total += part_params(part)
    for stage, side in zip(subnet.stages, subnet.sides[1:], strict=True):
        if stage.vit_blocks:
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


def part_params(part: Part) -> int:
    """Parameters of one block or down-sampling step, without the position embedding of its stage."""
    width = part.width
    match part:
        case ViTBlock():
            attention = 3 * part.attention_width * (width + 1) + width * (part.attention_width + 1)
            mlp = part.mlp_width * (width + 1) + width * (part.mlp_width + 1)
            norms_and_scales = 2 * 2 * width + 2 * width
            return attention + mlp + norms_and_scales
        case PatchMerging():
            return part.kernel**2 * part.in_width * width + 2 * width
        case MBConv():
            hidden = part.hidden_width
            expand = (part.in_width + 2) * hidden if part.expansion > 1 else 0
            return expand + (part.kernel**2 + 2) * hidden + hidden * width + 2 * width
