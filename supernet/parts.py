"""A subnet's computation as a chain of parts, so that subnets which begin alike can share their beginnings.

Two subnets of one supernet whose first parts are equal compute the same values up to there. One after the
other the parts compute what `Supernet.forward` computes in evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import isqrt

from torch import Tensor, nn

from search_space.complexity import head_macs, head_params, part_macs, part_params, stem_macs, stem_params
from search_space.subnet import MBConv, PatchMerging, Stage, Subnet, ViTBlock, downsampled
from supernet.blocks import ElasticStage, as_map
from supernet.model import Supernet
from supernet.normalisation import Normalisation
from supernet.resizing import resized


@dataclass(frozen=True)
class Part:
    """One step of a subnet's computation. Parts of one supernet are equal if they do the same.

    Attributes:
        place: Where in the supernet it stands.
        form: Which form it takes there.
        layer: What computes it; None for resizing.
        run: Computes it.
        macs: Multiply-accumulates of one image.
        output: Numbers of one image that it hands on.
        working: Most numbers of one image alive while it runs, its input and output included; a float32
            copy of a number in bf16 counts as two.
        params: Trained numbers.
    """

    place: str
    form: object
    layer: nn.Module | None = field(compare=False)
    run: Callable[[Tensor, Normalisation], Tensor] = field(compare=False)
    macs: int = field(compare=False)
    output: int = field(compare=False)
    working: int = field(compare=False)
    params: int = field(compare=False)


def parts(
    supernet: Supernet, subnet: Subnet, *, keeps_scores: bool = False, widened: bool = False
) -> Iterator[Part]:
    """The parts of `subnet` in order, from images ``(n, 3, s, s)`` to logits ``(n, classes)``.

    Args:
        supernet: The weights.
        subnet: A member of its space.
        keeps_scores: Whether attention holds its scores, as it does without a fused kernel.
        widened: Whether products are computed in float32 copies (see `precision.is_widened`).
    """
    side, stem, head = subnet.sides[0], subnet.stem, subnet.head
    pixels, out = 3 * subnet.resolution**2, stem.width * side**2
    yield Part(
        "images",
        subnet.resolution,
        None,
        lambda x, _: resized(x, subnet.resolution),
        0,
        pixels,
        3 * pixels,
        0,
    )
    yield Part(
        "stem",
        stem,
        supernet,
        lambda x, by: supernet.begin(x, stem, by),
        stem_macs(subnet),
        out,
        _product(pixels, out) if widened else pixels + 2 * out,
        stem_params(subnet),
    )
    for number, (layer, stage) in enumerate(zip(supernet.stages, subnet.stages, strict=True), start=1):
        assert isinstance(layer, ElasticStage)
        yield from _stage_parts(f"stage{number}", layer, stage, side, keeps_scores, widened)
        side = downsampled(side, stage.stride)
    before, out = head.in_width * side**2, head.width * side**2
    yield Part(
        "head",
        head,
        supernet,
        lambda x, by: supernet.classify(square_map(x), head, by),
        head_macs(subnet),
        head.classes,
        _product(before, out) if widened else before + 2 * out,
        head_params(subnet),
    )


def _stage_parts(
    name: str, layer: ElasticStage, stage: Stage, side: int, keeps_scores: bool, widened: bool
) -> Iterator[Part]:
    def part(
        place: str,
        block: MBConv | PatchMerging | ViTBlock,
        layer: nn.Module | None,
        run: Callable[..., Tensor],
    ) -> Part:
        after = side if isinstance(block, ViTBlock) else downsampled(side, block.stride)
        out = block.width * after**2
        working = _widened(block, side, out) if widened else _working(block, side, out, keeps_scores)
        params = part_params(block)
        return Part(f"{name}.{place}", block, layer, run, part_macs(block, side), out, working, params)

    step = stage.downsampling
    down = layer.mbconv if isinstance(step, MBConv) else layer.patch_merging
    yield part("downsampling", step, down, lambda x, by: layer.downsample(square_map(x), step, by))
    side = downsampled(side, stage.stride)
    for number, (conv, block) in enumerate(zip(layer.conv_blocks, stage.conv_blocks, strict=False)):
        yield part(f"conv{number}", block, conv, lambda x, by, conv=conv, block=block: conv(x, block, by))
    if stage.vit_blocks:
        size = stage.width * side**2
        yield Part(f"{name}.tokens", None, layer, lambda x, _: layer.tokens(x), 0, size, 3 * size, size)
    for number, (vit, vit_block) in enumerate(zip(layer.vit_blocks, stage.vit_blocks, strict=False)):
        yield part(f"vit{number}", vit_block, vit, lambda x, _, vit=vit, block=vit_block: vit(x, block))


def _working(block: MBConv | PatchMerging | ViTBlock, side: int, out: int, keeps_scores: bool) -> int:
    """Numbers alive in one block: those of its input, and the most that are alive beside it at a time."""
    match block:
        case MBConv():
            before, hidden = block.in_width * side**2, block.hidden_width
            expanded = hidden * side**2 if block.expansion > 1 else 0
            after = hidden * downsampled(side, block.stride) ** 2
            # Batch norm writes a second map, while the first one of the next convolution is not there yet.
            return before + max(2 * expanded, expanded + 2 * after, after + 2 * out)
        case PatchMerging():
            before = block.in_width * side**2
            padded = before if side % block.stride else 0
            return before + padded + 2 * out
        case ViTBlock():
            mixed, hidden = block.attention_width * side**2, block.mlp_width * side**2
            # With them goes a copy of the queries, and one of the keys in the order of the product.
            scores = 2 * (block.heads * side**4 + mixed) if keeps_scores else 0
            attention = out + max(out + 3 * mixed, 5 * mixed + scores, mixed + 3 * out)
            return max(attention, 2 * out + max(2 * hidden, hidden + 3 * out))


def _product(before: int, out: int) -> int:
    """Numbers alive in a product of float32 copies: its input, and that with both copies, or both outputs."""
    return before + max(2 * before + 2 * out, 3 * out)


def _widened(block: MBConv | PatchMerging | ViTBlock, side: int, out: int) -> int:
    """As `_working`, where products are computed in float32 copies; attention's kernel is fused."""
    match block:
        case MBConv():
            before, hidden = block.in_width * side**2, block.hidden_width
            expanded = hidden * side**2 if block.expansion > 1 else 0
            after = hidden * downsampled(side, block.stride) ** 2
            if not expanded:
                return max(_product(before, after), before + _product(after, out))
            return max(
                _product(before, expanded),
                before + max(_product(expanded, after), _product(after, out)),
            )
        case PatchMerging():
            before = block.in_width * side**2
            padded = before if side % block.stride else 0
            return padded + _product(before, out)
        case ViTBlock():
            mixed, hidden = block.attention_width * side**2, block.mlp_width * side**2
            # Queries, keys and values in bf16 and in float32, and two maps of the fused kernel.
            attention = out + max(_product(out, 3 * mixed), 13 * mixed, _product(mixed, out), mixed + 3 * out)
            mlp = out + max(_product(out, hidden), 2 * hidden, _product(hidden, out), hidden + 4 * out)
            return max(attention, mlp)


def square_map(x: Tensor) -> Tensor:
    """``(n, s * s, c)`` or ``(n, c, s, s)`` -> ``(n, c, s, s)``."""
    if x.ndim == 4:
        return x
    side = isqrt(x.shape[1])
    return as_map(x, side, side)
