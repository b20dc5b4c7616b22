"""Elastic blocks: MBConv, patch merging, transformer block.

Each takes the description of a block (`search_space.subnet`) and computes that form of itself. A new kind is
a class that derives from `ElasticBlock`, and a line in `ELASTIC_BLOCKS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.subnet import BATCH_NORM, LAYER_NORM, Block, MBConv, PatchMerging, ViTBlock, downsampled
from supernet.network.batch_norm import Folded, Normalisation, by_batch
from supernet.network.cpu_kernels import attention
from supernet.network.elastic_layers import (
    ElasticBatchNorm,
    ElasticConv2d,
    ElasticDepthwise,
    ElasticLayerNorm,
    ElasticLinear,
    ElasticQKV,
    ElasticTokenBatchNorm,
    activated_convolution,
    leading,
    normalised_convolution,
    split_heads,
)
from supernet.network.extracted_tensors import Norms, Slices, linear_slices, token_norm_slices
from supernet.network.plain_blocks import InvertedBottleneck, TransformerBlock, patch_merging
from supernet.network.residual import Residual, add

LAYER_SCALE = 1e-4
"""Start of both residual branches of a transformer block (CaiT, ICCV 2021; NASViT's value). Near zero, so
that blocks added in phase 2 leave phase 1's function as it is."""


class ElasticBlock(nn.Module, ABC):
    """One kind of block in a supernet: its weights, and what they are in a plain network."""

    @classmethod
    @abstractmethod
    def make(cls, in_width: int, width: int, stride: int, options: Any) -> Self:
        """The largest form among `options` (`search_space.block_options`) of the kind."""

    @abstractmethod
    def forward(self, x: Tensor, block: Any, normalise: Normalisation, residual: Residual = add) -> Tensor:
        """Computes the form that `block` describes.

        Args:
            x: Map ``(n, c, h, w)``, or tokens ``(n, tokens, c)`` where the kind takes them.
            block: Description of the form.
            normalise: Source of the batch-norm statistics.
            residual: Joins a residual branch with its input.
        """

    @abstractmethod
    def slices(self, block: Any, norms: Norms) -> Slices:
        """The weights that `block` uses, under their names in `plain(block)`."""

    @staticmethod
    @abstractmethod
    def plain(block: Any, *, side: int, folded: bool) -> nn.Module:
        """The block as an ordinary module, weights undefined.

        Args:
            block: Description of the form.
            side: Side of its input, in positions.
            folded: Whether convolutions and linear layers hold their batch norm.
        """

    @staticmethod
    @abstractmethod
    def working(block: Any, side: int, *, keeps_scores: bool) -> int:
        """Most numbers of one image alive while `block` runs, its input and output included.

        Args:
            block: Description of the form.
            side: Side of its input, in positions.
            keeps_scores: Whether attention holds its scores, as it does without a fused kernel.
        """

    @staticmethod
    @abstractmethod
    def widened_working(block: Any, side: int) -> int:
        """The same where products are computed in float32 copies (see `number_formats.is_widened`).

        A float32 copy of a number in bf16 counts as two.
        """


class ElasticMBConv(ElasticBlock):
    """Inverted bottleneck of MobileNetV2 (CVPR 2018), ReLU6 after the first two convolutions."""

    def __init__(self, in_width: int, width: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_width * expansion
        self.expand = ElasticConv2d(in_width, hidden)
        self.expand_norm = ElasticBatchNorm(hidden)
        self.depthwise = ElasticDepthwise(hidden, kernel=kernel, stride=stride)
        self.depthwise_norm = ElasticBatchNorm(hidden)
        self.project = ElasticConv2d(hidden, width)
        self.project_norm = ElasticBatchNorm(width)

    def forward(self, x: Tensor, block: MBConv, normalise: Normalisation, residual: Residual = add) -> Tensor:
        """``(n, in_width, h, w)`` -> ``(n, width, ceil(h / stride), ceil(w / stride))``."""
        out = x
        if block.expansion > 1:
            out = activated_convolution(self.expand, self.expand_norm, out, block.hidden_width, normalise)
        out = activated_convolution(self.depthwise, self.depthwise_norm, out, block.kernel, normalise)
        projected = normalised_convolution(self.project, self.project_norm, out, block.width, normalise)
        return residual(x, projected) if block.has_residual else projected

    @classmethod
    def make(cls, in_width: int, width: int, stride: int, options: Any) -> Self:
        kernel, expansion = max(options.kernel), max(options.expansion)
        return cls(in_width, width, kernel=kernel, stride=stride, expansion=expansion)

    def slices(self, block: MBConv, norms: Norms) -> Slices:
        hidden = block.hidden_width
        if block.expansion > 1:
            yield "expand.conv.weight", leading(self.expand.weight, hidden, block.in_width)
            yield from norms.slices(self.expand_norm, hidden, "expand.norm")
        yield "depthwise.conv.weight", self.depthwise.form(hidden, block.kernel)
        yield from norms.slices(self.depthwise_norm, hidden, "depthwise.norm")
        yield "project.conv.weight", leading(self.project.weight, block.width, hidden)
        yield from norms.slices(self.project_norm, block.width, "project.norm")

    @staticmethod
    def plain(block: MBConv, *, side: int, folded: bool) -> nn.Module:  # noqa: ARG004
        return InvertedBottleneck(block, folded=folded)

    @staticmethod
    def working(block: MBConv, side: int, *, keeps_scores: bool) -> int:  # noqa: ARG004
        out = block.width * downsampled(side, block.stride) ** 2
        before, hidden = block.in_width * side**2, block.hidden_width
        expanded = hidden * side**2 if block.expansion > 1 else 0
        after = hidden * downsampled(side, block.stride) ** 2
        # Batch norm writes a second map, while the first one of the next convolution is not there yet.
        return before + max(2 * expanded, expanded + 2 * after, after + 2 * out)

    @staticmethod
    def widened_working(block: MBConv, side: int) -> int:
        out = block.width * downsampled(side, block.stride) ** 2
        before, hidden = block.in_width * side**2, block.hidden_width
        expanded = hidden * side**2 if block.expansion > 1 else 0
        after = hidden * downsampled(side, block.stride) ** 2
        if not expanded:
            return max(product_working(before, after), before + product_working(after, out))
        return max(
            product_working(before, expanded),
            before + max(product_working(expanded, after), product_working(after, out)),
        )


class ElasticPatchMerging(ElasticBlock):
    """Convolution over patches without overlap, then batch norm."""

    def __init__(self, in_width: int, width: int, *, stride: int) -> None:
        super().__init__()
        self.merge = ElasticConv2d(in_width, width, kernel=stride, stride=stride)
        self.norm = ElasticBatchNorm(width)

    def forward(
        self,
        x: Tensor,
        block: PatchMerging,
        normalise: Normalisation,
        residual: Residual = add,  # noqa: ARG002
    ) -> Tensor:
        """``(n, in_width, h, w)`` -> ``(n, width, ceil(h / stride), ceil(w / stride))``."""
        return normalised_convolution(self.merge, self.norm, x, block.width, normalise)

    @classmethod
    def make(cls, in_width: int, width: int, stride: int, options: Any) -> Self:  # noqa: ARG003
        return cls(in_width, width, stride=stride)

    def slices(self, block: PatchMerging, norms: Norms) -> Slices:
        yield "conv.weight", leading(self.merge.weight, block.width, block.in_width)
        yield from norms.slices(self.norm, block.width, "norm")

    @staticmethod
    def plain(block: PatchMerging, *, side: int, folded: bool) -> nn.Module:
        return patch_merging(block, side=side, folded=folded)

    @staticmethod
    def working(block: PatchMerging, side: int, *, keeps_scores: bool) -> int:  # noqa: ARG004
        out = block.width * downsampled(side, block.stride) ** 2
        before = block.in_width * side**2
        padded = before if side % block.stride else 0
        return before + padded + 2 * out

    @staticmethod
    def widened_working(block: PatchMerging, side: int) -> int:
        before = block.in_width * side**2
        padded = before if side % block.stride else 0
        return padded + product_working(before, block.width * downsampled(side, block.stride) ** 2)


class ElasticViTBlock(ElasticBlock):
    """Pre-norm transformer block: multi-head attention and an MLP, each with layer scale and residual.

    Layer norm and batch norm, where both can be chosen, have scales and shifts of their own; all other
    weights are shared.
    """

    def __init__(
        self, width: int, *, heads: int, head_dim: int, mlp_ratio: int, norms: Collection[str] = (LAYER_NORM,)
    ) -> None:
        super().__init__()
        has_layer_norm, has_batch_norm = LAYER_NORM in norms, BATCH_NORM in norms
        self.attention_norm = ElasticLayerNorm(width) if has_layer_norm else None
        self.attention_batch_norm = ElasticTokenBatchNorm(width) if has_batch_norm else None
        self.qkv = ElasticQKV(width, heads=heads, head_dim=head_dim)
        self.projection = ElasticLinear(heads * head_dim, width)
        self.attention_scale = nn.Parameter(torch.full((width,), LAYER_SCALE))
        self.mlp_norm = ElasticLayerNorm(width) if has_layer_norm else None
        self.mlp_batch_norm = ElasticTokenBatchNorm(width) if has_batch_norm else None
        self.fc1 = ElasticLinear(width, width * mlp_ratio)
        self.fc2 = ElasticLinear(width * mlp_ratio, width)
        self.mlp_scale = nn.Parameter(torch.full((width,), LAYER_SCALE))

    def forward(
        self, x: Tensor, block: ViTBlock, normalise: Normalisation = by_batch, residual: Residual = add
    ) -> Tensor:
        """``(n, tokens, width)`` -> the same shape."""
        width = block.width
        mixed = self._mixed(x, block, normalise)
        x = residual(x, leading(self.attention_scale, width).to(x.dtype) * self.projection(mixed, width))
        del mixed
        hidden = F.gelu(self._expanded(x, block, normalise))
        out: Tensor = self.fc2(hidden, width)
        return residual(x, leading(self.mlp_scale, width).to(x.dtype) * out)

    def _mixed(self, x: Tensor, block: ViTBlock, normalise: Normalisation) -> Tensor:
        """``(n, tokens, width)`` -> ``(n, tokens, heads * head_dim)``; queries and keys end with it."""
        if block.norm == BATCH_NORM and isinstance(normalise, Folded):
            q, k, v = split_heads(F.linear(x, *self.folded_qkv(block, normalise, x.dtype)), block.heads)
        else:
            norm = _norm(self.attention_norm, self.attention_batch_norm, x, block, normalise)
            q, k, v = self.qkv(norm, block.heads)
            del norm
        # (n, heads, tokens, head_dim) -> (n, tokens, heads * head_dim)
        return attention(q, k, v).transpose(1, 2).flatten(2)

    def _expanded(self, x: Tensor, block: ViTBlock, normalise: Normalisation) -> Tensor:
        """``(n, tokens, width)`` -> ``(n, tokens, mlp_width)``, before GELU."""
        if block.norm == BATCH_NORM and isinstance(normalise, Folded):
            return F.linear(x, *self.folded_fc1(block, normalise, x.dtype))
        norm = _norm(self.mlp_norm, self.mlp_batch_norm, x, block, normalise)
        out: Tensor = self.fc1(norm, block.mlp_width)
        return out

    def folded_qkv(self, block: ViTBlock, statistics: Folded, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Weight and bias of queries, keys and values, which hold batch norm."""
        norm = self.attention_batch_norm
        assert norm is not None
        linear = self.qkv.of_heads(block.heads, block.width)
        return statistics.folded_behind(norm, norm.form(block.width), linear, dtype)

    def folded_fc1(self, block: ViTBlock, statistics: Folded, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Weight and bias of the MLP's first layer, which hold batch norm."""
        norm = self.mlp_batch_norm
        assert norm is not None
        linear = self.fc1.form(block.width, block.mlp_width)
        return statistics.folded_behind(norm, norm.form(block.width), linear, dtype)

    @classmethod
    def make(cls, in_width: int, width: int, stride: int, options: Any) -> Self:  # noqa: ARG003
        return cls(
            width,
            heads=max(options.heads),
            head_dim=options.head_dim,
            mlp_ratio=max(options.mlp_ratio),
            norms=options.norm or (LAYER_NORM,),
        )

    def slices(self, block: ViTBlock, norms: Norms) -> Slices:
        width, is_batch_norm = block.width, block.norm == BATCH_NORM
        attention_norm = self.attention_batch_norm if is_batch_norm else self.attention_norm
        mlp_norm = self.mlp_batch_norm if is_batch_norm else self.mlp_norm
        yield from token_norm_slices(attention_norm, width, "attention_norm", norms)
        qkv_weight, qkv_bias = self.qkv.of_heads(block.heads, width)
        yield "attention.qkv.weight", qkv_weight
        yield "attention.qkv.bias", qkv_bias
        yield from linear_slices(self.projection, block.attention_width, width, "attention.projection")
        yield "attention_scale", leading(self.attention_scale, width)
        yield from token_norm_slices(mlp_norm, width, "mlp_norm", norms)
        yield from linear_slices(self.fc1, width, block.mlp_width, "fc1")
        yield from linear_slices(self.fc2, block.mlp_width, width, "fc2")
        yield "mlp_scale", leading(self.mlp_scale, width)

    @staticmethod
    def plain(block: ViTBlock, *, side: int, folded: bool) -> nn.Module:  # noqa: ARG004
        return TransformerBlock(block, folded=folded)

    @staticmethod
    def working(block: ViTBlock, side: int, *, keeps_scores: bool) -> int:
        out = block.width * side**2
        mixed, hidden = block.attention_width * side**2, block.mlp_width * side**2
        # With them goes a copy of the queries, and one of the keys in the order of the product.
        scores = 2 * (block.heads * side**4 + mixed) if keeps_scores else 0
        attention = out + max(out + 3 * mixed, 5 * mixed + scores, mixed + 3 * out)
        return max(attention, 2 * out + max(2 * hidden, hidden + 3 * out))

    @staticmethod
    def widened_working(block: ViTBlock, side: int) -> int:
        out = block.width * side**2
        mixed, hidden = block.attention_width * side**2, block.mlp_width * side**2
        # Queries, keys and values in bf16 and in float32, and two maps of attention's fused kernel.
        attention = out + max(
            product_working(out, 3 * mixed), 13 * mixed, product_working(mixed, out), mixed + 3 * out
        )
        mlp = out + max(
            product_working(out, hidden), 2 * hidden, product_working(hidden, out), hidden + 4 * out
        )
        return max(attention, mlp)


def product_working(before: int, out: int) -> int:
    """Most numbers alive in a product of float32 copies: its input with both copies, or with both outputs."""
    return before + max(2 * before + 2 * out, 3 * out)


def _norm(
    layer_norm: ElasticLayerNorm | None,
    batch_norm: ElasticTokenBatchNorm | None,
    x: Tensor,
    block: ViTBlock,
    normalise: Normalisation,
) -> Tensor:
    """`x` by the norm that `block` has."""
    out: Tensor
    if block.norm == BATCH_NORM:
        assert batch_norm is not None
        out = batch_norm(x, normalise)
    else:
        assert layer_norm is not None
        out = layer_norm(x)
    return out


ELASTIC_BLOCKS: dict[type[Block], type[ElasticBlock]] = {
    MBConv: ElasticMBConv,
    PatchMerging: ElasticPatchMerging,
    ViTBlock: ElasticViTBlock,
}
"""Kinds of block, by their description in `search_space.subnet`."""
