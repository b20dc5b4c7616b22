"""Transfer of weights from a supernet to one of another search space, or with other classes.

Stages are matched by their number, blocks by kind and number within their stage. A layer takes the channels,
heads and hidden units that both supernets have; all of these are nested, so the leading ones correspond.
Kernels are matched at their centres, with 0 around a smaller one. Position embeddings are resized. Everything
else keeps its initial value. The classifier is only taken for an equal number of classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.space import Space
from supernet.network.blocks import ElasticViTBlock
from supernet.network.elastic_layers import ElasticConv2d, ElasticDepthwise, ElasticPositions
from supernet.network.supernet import Supernet

PLACES = {"mbconv": "MBConv step", "patch_merging": "patch merging", "positions": "position embedding"}
"""Names of the parts of a stage that are no blocks."""


@dataclass(frozen=True)
class PartTransfer:
    """Weights that one part of a supernet took.

    Attributes:
        part: Stem, stage, head or classifier.
        weights: Number of weights of the part.
        taken: Number of weights taken.
        left_out: Blocks and layers that took nothing, by the reason.
    """

    part: str
    weights: int
    taken: int
    left_out: dict[str, list[str]]


@torch.no_grad()
def transfer(source: Supernet, target: Supernet) -> list[PartTransfer]:
    """Copies all weights of `source` that fit into `target`.

    Args:
        source: Supernet to copy from; it stays unchanged.
        target: Supernet to change.

    Returns:
        What each part of `target` took, in order.
    """
    sources = dict(source.named_modules())
    parts: dict[str, PartTransfer] = {}
    for name, module in target.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if not own:
            continue
        before = parts.get(_part(name), PartTransfer(_part(name), 0, 0, {}))
        reason, what = _misfit(name, module, sources, source.space, target)
        taken = 0
        if reason:
            places = before.left_out.setdefault(reason, [])
            places += [] if what in places else [what]
        else:
            counterpart = sources[name]
            taken = sum(
                _copy(module, getattr(counterpart, parameter), weight) for parameter, weight in own.items()
            )
        weights = sum(weight.numel() for weight in own.values())
        parts[before.part] = replace(before, weights=before.weights + weights, taken=before.taken + taken)
    return list(parts.values())


def unused_parts(source: Supernet, target: Supernet) -> list[str]:
    """Stages and blocks of `source` without a counterpart in `target`."""
    targets = {name for name, _ in target.named_modules()}
    unused = []
    for name, module in source.named_modules():
        if name in targets or not any(True for _ in module.parameters(recurse=False)):
            continue
        stage = ".".join(name.split(".")[:2])
        unused.append(f"{_part(name)} {_place(name)[1]}" if stage in targets else _part(name))
    return list(dict.fromkeys(unused))


def _misfit(
    name: str, module: nn.Module, sources: Mapping[str, nn.Module], space: Space, target: Supernet
) -> tuple[str, str]:
    """Why a layer of `target` takes nothing, and the name of the layer or its block; empty if it does.

    Args:
        name: Name of the layer.
        module: The layer.
        sources: Modules of the source by name.
        space: Search space of the source.
        target: The supernet that the layer belongs to.
    """
    counterpart = sources.get(name)
    parent, _, layer = name.rpartition(".")
    path, place = _place(name)
    if type(module) is not type(counterpart):
        what = f"{layer} of {place}" if path in sources and path != name else place
        return f"not in {space.name}", what
    if module is target.classifier and space.head.classes != target.space.head.classes:
        return f"{space.head.classes} -> {target.space.head.classes} classes", "all"
    if (
        isinstance(module, ElasticConv2d)
        and isinstance(counterpart, ElasticConv2d)
        and module.kernel != counterpart.kernel
    ):
        return f"kernel {counterpart.kernel} -> {module.kernel}", place
    if layer in ("qkv", "projection"):
        before, after = _head_dim(sources[parent]), _head_dim(target.get_submodule(parent))
        if before != after:
            return f"head_dim {before} -> {after}", f"attention of {place}"
    return "", ""


def _head_dim(block: nn.Module) -> int | None:
    """Channels of a head of a transformer block; None for other blocks."""
    return block.qkv.weight.shape[2] if isinstance(block, ElasticViTBlock) else None


def _copy(module: nn.Module, value: Tensor, weight: Tensor) -> int:
    """Copies what fits of `value` into `weight`, a parameter of `module`; returns the number of values."""
    if isinstance(module, ElasticPositions) and value.shape[-2:] != weight.shape[-2:]:
        value = F.interpolate(value, weight.shape[-2:], mode="bilinear", align_corners=False)
    if isinstance(module, ElasticDepthwise):
        width = min(len(value), len(weight))
        taken = weight[:width].zero_()
        source, inner = _centred(value[:width], taken)
        inner.copy_(source)
    else:
        channels = tuple(slice(0, min(pair)) for pair in zip(value.shape, weight.shape, strict=True))
        taken = weight[channels].copy_(value[channels])
    return taken.numel()


def _centred(value: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The centres of two groups of kernels, of the smaller side."""
    side = min(value.shape[-1], weight.shape[-1])

    def centre(kernels: Tensor) -> Tensor:
        margin = (kernels.shape[-1] - side) // 2
        return kernels[..., margin : margin + side, margin : margin + side]

    return centre(value), centre(weight)


def _part(name: str) -> str:
    first, *rest = name.split(".")
    return f"stage {int(rest[0]) + 1}" if first == "stages" else first.removesuffix("_norm")


def _place(name: str) -> tuple[str, str]:
    """Path and name of the block or step that holds the layer `name`."""
    words = name.split(".")
    if words[0] != "stages" or len(words) < 3:
        return words[0], words[0]
    if words[2].endswith("_blocks"):
        return ".".join(words[:4]), f"{words[2].removesuffix('_blocks')} block {int(words[3]) + 1}"
    return ".".join(words[:3]), PLACES.get(words[2], words[2])
