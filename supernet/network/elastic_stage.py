"""A stage of the supernet: the down-sampling step and the elastic blocks behind it."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from search_space.block_options import MBCONV, PATCH_MERGING, StageOptions
from search_space.subnet import BLOCKS, Block, MBConv, PatchMerging, Stage, block_kinds
from supernet.network.batch_norm import Normalisation
from supernet.network.blocks import ELASTIC_BLOCKS, ElasticBlock, ElasticMBConv, ElasticPatchMerging
from supernet.network.elastic_layers import ElasticPositions
from supernet.network.residual import Residual, add


class ElasticStage(nn.Module):
    """Down-sampling step, then blocks on maps, then blocks on tokens.

    Args:
        in_width: Channels that the largest network hands in.
        side: Largest side of this stage's map, in positions.
        options: The stage's choices.
    """

    def __init__(self, in_width: int, *, side: int, options: StageOptions) -> None:
        super().__init__()
        width = max(options.width)
        down = options.downsampling
        self.mbconv: ElasticMBConv | None = None
        self.patch_merging: ElasticPatchMerging | None = None
        if MBCONV in down.kind:
            self.mbconv = ElasticMBConv.make(in_width, width, options.stride, down)
        if PATCH_MERGING in down.kind:
            self.patch_merging = ElasticPatchMerging.make(in_width, width, options.stride, down)
        has_tokens = False
        for kind in options.kinds:
            layers = nn.ModuleList()
            if (choices := options.options(kind)) is not None:
                elastic = ELASTIC_BLOCKS[BLOCKS[kind]]
                layers.extend(
                    elastic.make(width, width, 1, choices) for _ in range(max(options.depths(kind)))
                )
                has_tokens |= BLOCKS[kind].takes_tokens and len(layers) > 0
            self.add_module(f"{kind}_blocks", layers)
        self.positions = ElasticPositions(width, side=side) if has_tokens else None

    def layers(self, stage: Stage) -> Iterator[tuple[str, ElasticBlock, Block]]:
        """Blocks of `stage` behind its down-sampling step, in order: name of the kind, layer, description."""
        for kind in block_kinds():
            # Zipping stops at the blocks that the stage has.
            for layer, block in zip(getattr(self, f"{kind}_blocks", ()), stage.blocks_of(kind), strict=False):
                yield kind, layer, block

    def forward(self, x: Tensor, stage: Stage, normalise: Normalisation, residual: Residual = add) -> Tensor:
        """``(n, in_width, h, w)`` -> ``(n, width, ceil(h / stride), ceil(w / stride))``."""
        x = self.downsample(x, stage.downsampling, normalise)
        height, width = x.shape[-2:]
        is_map = True
        for _, layer, block in self.layers(stage):
            if is_map and block.takes_tokens:
                x, is_map = self.tokens(x), False
            x = layer(x, block, normalise, residual)
        return x if is_map else as_map(x, height, width)

    def downsample(self, x: Tensor, step: MBConv | PatchMerging, normalise: Normalisation) -> Tensor:
        """``(n, in_width, h, w)`` -> ``(n, width, ceil(h / stride), ceil(w / stride))``."""
        out: Tensor = self.step_layer(step)(x, step, normalise)
        return out

    def step_layer(self, step: MBConv | PatchMerging) -> ElasticBlock:
        """The layer of a down-sampling step."""
        layer = self.mbconv if isinstance(step, MBConv) else self.patch_merging
        assert layer is not None
        return layer

    def tokens(self, x: Tensor) -> Tensor:
        """``(n, c, h, w)`` -> ``(n, h * w, c)`` with position embedding; no copy where x is channels_last."""
        assert self.positions is not None
        tokens: Tensor = self.positions(x).permute(0, 2, 3, 1).flatten(1, 2)
        return tokens


def as_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """``(n, h * w, c)`` -> ``(n, c, h, w)``, channels_last."""
    return tokens.view(len(tokens), height, width, -1).permute(0, 3, 1, 2)
