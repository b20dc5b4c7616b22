"""Parts of a subnet's computation, which subnets with a common beginning share.

Two subnets of one supernet whose first parts are equal compute the same values up to there. All parts in
order compute the same as `Supernet.forward` in evaluation mode.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from math import isqrt

from torch import Tensor, nn

from search_space.complexity import head_macs, head_params, stem_macs, stem_params
from search_space.subnet import Block, Stage, Subnet, downsampled
from supernet.images.labelled_images import resized
from supernet.network.batch_norm import Normalisation
from supernet.network.blocks import ELASTIC_BLOCKS, ElasticBlock, product_working
from supernet.network.elastic_stage import ElasticStage, as_map
from supernet.network.supernet import Supernet

Run = Callable[[Tensor, Normalisation], Tensor]


@dataclass(frozen=True)
class Part:
    """One step of a subnet's computation. Parts of one supernet are equal if they compute the same.

    Attributes:
        place: Place in the supernet, such as ``stage1.conv0``.
        form: Form of the layer: resolution, stem, block or head; None for the position embedding.
        layer: Module with the weights; None for resizing.
        run: Computes the part.
        macs: Multiply-accumulates of one image.
        output: Numbers of one image in the output.
        working: Maximum numbers of one image alive while the part runs, input and output included. A float32
            copy of a number in bf16 counts as two.
        params: Number of parameters.
    """

    place: str
    form: object
    layer: nn.Module | None = field(compare=False)
    run: Run = field(compare=False)
    macs: int = field(compare=False)
    output: int = field(compare=False)
    working: int = field(compare=False)
    params: int = field(compare=False)


def parts(
    supernet: Supernet, subnet: Subnet, *, keeps_scores: bool = False, widened: bool = False
) -> Iterator[Part]:
    """The parts of `subnet` in order, from images ``(n, 3, s, s)`` to logits ``(n, classes)``.

    Args:
        supernet: Source of the weights.
        subnet: A member of its search space.
        keeps_scores: Whether attention keeps its scores in memory, as without a fused kernel.
        widened: Whether products are computed in float32 copies (see `number_formats.is_widened`).
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
        product_working(pixels, out) if widened else pixels + 2 * out,
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
        product_working(before, out) if widened else before + 2 * out,
        head_params(subnet),
    )


def _stage_parts(
    name: str, layer: ElasticStage, stage: Stage, side: int, keeps_scores: bool, widened: bool
) -> Iterator[Part]:
    def part(place: str, block: Block, elastic: ElasticBlock, run: Run) -> Part:
        macs, output = block.macs(side), block.width * downsampled(side, block.stride) ** 2
        kind = ELASTIC_BLOCKS[type(block)]
        working = (
            kind.widened_working(block, side)
            if widened
            else kind.working(block, side, keeps_scores=keeps_scores)
        )
        return Part(f"{name}.{place}", block, elastic, run, macs, output, working, block.params)

    step = stage.downsampling
    yield part(
        "downsampling", step, layer.step_layer(step), lambda x, by: layer.downsample(square_map(x), step, by)
    )
    side = downsampled(side, stage.stride)
    numbers: Counter[str] = Counter()
    is_map = True
    for kind, elastic, block in layer.layers(stage):
        if is_map and block.takes_tokens:
            size, is_map = stage.width * side**2, False
            yield Part(f"{name}.tokens", None, layer, lambda x, _: layer.tokens(x), 0, size, 3 * size, size)
        yield part(f"{kind}{numbers[kind]}", block, elastic, partial(_run_block, elastic, block))
        numbers[kind] += 1


def _run_block(elastic: ElasticBlock, block: Block, x: Tensor, normalise: Normalisation) -> Tensor:
    out: Tensor = elastic(x, block, normalise)
    return out


def square_map(x: Tensor) -> Tensor:
    """``(n, s * s, c)`` or ``(n, c, s, s)`` -> ``(n, c, s, s)``."""
    if x.ndim == 4:
        return x
    side = isqrt(x.shape[1])
    return as_map(x, side, side)
