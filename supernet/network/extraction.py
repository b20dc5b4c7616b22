"""A subnet taken out of the supernet: an ordinary network with copies of its slices, to train on and to ship.

    network = extract(supernet, subnet, oracle.calibrate(supernet, subnet, images))
    save_extracted(Path("network.safetensors"), folded(network), space=supernet.space)
    network = load_extracted(Path("network.safetensors"))

The file is safetensors, float32; its header says what the network is and how images must be normalised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_weights

from search_space.errors import DocumentError, H4HError
from search_space.space import Space
from search_space.subnet import MBConv, PatchMerging, Stage, Subnet, ViTBlock
from supernet.checkpoints.header import CheckpointError
from supernet.checkpoints.tensor_file import read_tensors, write_tensors
from supernet.images.labelled_images import DEVIATION, MEAN
from supernet.network.batch_norm import EPSILON, Recorded
from supernet.network.blocks import ElasticMBConv, ElasticPatchMerging, ElasticStage, ElasticViTBlock
from supernet.network.elastic_layers import ElasticBatchNorm, ElasticLayerNorm, ElasticLinear, leading
from supernet.network.plain_network import PlainNetwork
from supernet.network.supernet import Supernet

FORMAT = "h4h-network-1"

Tensors = Iterator[tuple[str, Tensor]]
"""Names in the plain network, and slices of the supernet's weights, not yet copied."""


def extract(
    supernet: Supernet,
    subnet: Subnet,
    statistics: Recorded | None = None,
    *,
    fold_batch_norm: bool = False,
) -> PlainNetwork:
    """The plain network of `subnet` with copies of its slices, on the supernet's device.

    In evaluation mode its logits are the supernet's with the same `statistics`; in training mode those of
    the supernet with the statistics of the batch.

    Args:
        supernet: Where the weights come from; left as it is.
        subnet: A member of its space.
        statistics: Recorded for this subnet (`oracle.calibrate`); they become the running statistics of
            batch norm. Without them those start at mean 0 and variance 1, for training from here.
        fold_batch_norm: Whether batch norm is folded into the convolutions (see `folded`).

    Raises:
        DocumentError: `subnet` is no member of the supernet's space.
        H4HError: `statistics` are missing although batch norm shall be folded, or are those of a subnet that
            passes other layers.
    """
    supernet.space.encode(subnet)
    if fold_batch_norm and statistics is None:
        raise H4HError(
            "statistics must be given where fold_batch_norm is set: record them with oracle.calibrate"
        )
    # Sliced and copied outside any network, so that no random start is drawn only to be overwritten.
    tensors = {name: value.detach().clone() for name, value in _tensors(supernet, subnet, statistics)}
    network = _filled(subnet, tensors, is_folded=False)
    return folded(network) if fold_batch_norm else network


def folded(network: PlainNetwork) -> PlainNetwork:
    """A copy of `network` whose convolutions hold their batch norm.

    Its logits are those of `network` in evaluation mode, up to rounding. It is meant for deployment: there is
    nothing left in it that could follow the statistics of further training.
    """
    tensors = {name: value.detach().clone() for name, value in network.state_dict().items()}
    batch_norms = [name for name in tensors if name.endswith("norm.running_mean")]
    for prefix in (name.removesuffix("norm.running_mean") for name in batch_norms):
        mean, variance, scale, shift, _ = (
            tensors.pop(f"{prefix}norm.{part}")
            for part in ("running_mean", "running_var", "weight", "bias", "num_batches_tracked")
        )
        weight, bias = fuse_conv_bn_weights(
            tensors[f"{prefix}conv.weight"], None, mean, variance, EPSILON, scale, shift
        )
        tensors[f"{prefix}conv.weight"], tensors[f"{prefix}conv.bias"] = weight.detach(), bias.detach()
    return _filled(network.subnet, tensors, is_folded=True).train(network.training)


def _filled(subnet: Subnet, tensors: dict[str, Tensor], *, is_folded: bool) -> PlainNetwork:
    with torch.device("meta"):  # shapes only
        network = PlainNetwork(subnet, folded=is_folded)
    network.load_state_dict(tensors, assign=True)
    return network


# --- slices --------------------------------------------------------------------------------------


def _tensors(supernet: Supernet, subnet: Subnet, statistics: Recorded | None) -> Tensors:
    norms = _Norms(statistics)
    stem, head = subnet.stem.width, subnet.head
    yield "stem.conv.weight", leading(supernet.stem.weight, stem)
    yield from norms.of(supernet.stem_norm, stem, "stem.norm")
    for number, (layer, stage) in enumerate(zip(supernet.stages, subnet.stages, strict=True)):
        assert isinstance(layer, ElasticStage)
        yield from _prefixed(
            f"stages.{number}", _stage(layer, stage, side=subnet.sides[number + 1], norms=norms)
        )
    yield "head.conv.weight", leading(supernet.head.weight, head.width, head.in_width)
    yield from norms.of(supernet.head_norm, head.width, "head.norm")
    yield from _linear(supernet.classifier, head.width, head.classes, "classifier")


def _prefixed(prefix: str, tensors: Tensors) -> Tensors:
    return ((f"{prefix}.{name}", value) for name, value in tensors)


class _Norms:
    """Batch norm's part: scale and shift by slicing, running statistics as recorded."""

    def __init__(self, statistics: Recorded | None) -> None:
        self._statistics = statistics

    def of(self, site: ElasticBatchNorm, width: int, name: str) -> Tensors:
        weight = leading(site.weight, width)
        mean, variance = torch.zeros_like(weight), torch.ones_like(weight)
        if self._statistics is not None:
            if site not in self._statistics.statistics or len(self._statistics.statistics[site][0]) != width:
                raise H4HError(
                    f"statistics must be recorded for the subnet that is extracted, but they hold none "
                    f"for {name} with {width} channels: call oracle.calibrate with this subnet"
                )
            mean, variance = self._statistics.statistics[site]
        yield f"{name}.weight", weight
        yield f"{name}.bias", leading(site.bias, width)
        yield f"{name}.running_mean", mean
        yield f"{name}.running_var", variance
        yield f"{name}.num_batches_tracked", torch.tensor(0, device=weight.device)


def _stage(layer: ElasticStage, stage: Stage, *, side: int, norms: _Norms) -> Tensors:
    down = stage.downsampling
    if isinstance(down, MBConv):
        assert layer.mbconv is not None
        yield from _prefixed("downsampling", _mbconv(layer.mbconv, down, norms))
    else:
        assert layer.patch_merging is not None
        yield from _prefixed("downsampling", _patch_merging(layer.patch_merging, down, norms))
    for number, (conv, block) in enumerate(zip(layer.conv_blocks, stage.conv_blocks, strict=False)):
        assert isinstance(conv, ElasticMBConv)
        yield from _prefixed(f"conv_blocks.{number}", _mbconv(conv, block, norms))
    if stage.vit_blocks:
        assert layer.positions is not None
        yield "positions", layer.positions.resized(stage.width, side, side)
    for number, (vit, vit_block) in enumerate(zip(layer.vit_blocks, stage.vit_blocks, strict=False)):
        assert isinstance(vit, ElasticViTBlock)
        yield from _prefixed(f"vit_blocks.{number}", _vit_block(vit, vit_block))


def _mbconv(layer: ElasticMBConv, block: MBConv, norms: _Norms) -> Tensors:
    hidden = block.hidden_width
    if block.expansion > 1:
        yield "expand.conv.weight", leading(layer.expand.weight, hidden, block.in_width)
        yield from norms.of(layer.expand_norm, hidden, "expand.norm")
    yield "depthwise.conv.weight", layer.depthwise.form(hidden, block.kernel)
    yield from norms.of(layer.depthwise_norm, hidden, "depthwise.norm")
    yield "project.conv.weight", leading(layer.project.weight, block.width, hidden)
    yield from norms.of(layer.project_norm, block.width, "project.norm")


def _patch_merging(layer: ElasticPatchMerging, block: PatchMerging, norms: _Norms) -> Tensors:
    yield "conv.weight", leading(layer.merge.weight, block.width, block.in_width)
    yield from norms.of(layer.norm, block.width, "norm")


def _vit_block(layer: ElasticViTBlock, block: ViTBlock) -> Tensors:
    width = block.width
    yield from _layer_norm(layer.attention_norm, width, "attention_norm")
    qkv_weight, qkv_bias = layer.qkv.of_heads(block.heads, width)
    yield "attention.qkv.weight", qkv_weight
    yield "attention.qkv.bias", qkv_bias
    yield from _linear(layer.projection, block.attention_width, width, "attention.projection")
    yield "attention_scale", leading(layer.attention_scale, width)
    yield from _layer_norm(layer.mlp_norm, width, "mlp_norm")
    yield from _linear(layer.fc1, width, block.mlp_width, "fc1")
    yield from _linear(layer.fc2, block.mlp_width, width, "fc2")
    yield "mlp_scale", leading(layer.mlp_scale, width)


def _layer_norm(layer: ElasticLayerNorm, width: int, name: str) -> Tensors:
    yield f"{name}.weight", leading(layer.weight, width)
    yield f"{name}.bias", leading(layer.bias, width)


def _linear(layer: ElasticLinear, in_width: int, width: int, name: str) -> Tensors:
    yield f"{name}.weight", leading(layer.weight, width, in_width)
    yield f"{name}.bias", leading(layer.bias, width)


# --- files ---------------------------------------------------------------------------------------


def save_extracted(
    path: Path, network: PlainNetwork, *, space: Space, data: Mapping[str, str] | None = None
) -> None:
    """Writes `network` in float32, whole or not at all.

    The header tells `format`, `space` (name and digest), `subnet`, `classes`, `batch_norm` (``separate`` or
    ``folded``), and `normalisation`: an image's bytes become input by (byte / 255 - mean) / deviation, for
    the channels red, green, blue.

    Args:
        path: Where to.
        network: What `extract` or `folded` gave, trained on or not.
        space: The space that its subnet is a member of.
        data: What it was trained on, as `supernet.images.data_sets.ImageData.recorded` says it.
    """
    header: dict[str, Any] = {
        "format": FORMAT,
        "space": {"name": space.name, "digest": space.digest},
        "subnet": network.subnet.to_json(),
        "classes": network.subnet.head.classes,
        "batch_norm": "folded" if network.folded else "separate",
        "normalisation": {"mean": MEAN, "deviation": DEVIATION},
    }
    if data is not None:
        header["data"] = dict(data)
    tensors = {
        name: value.float() if value.is_floating_point() else value
        for name, value in network.state_dict().items()
    }
    write_tensors(path, tensors, header)


def load_extracted(path: Path) -> PlainNetwork:
    """The network of a file that `save_extracted` wrote, in evaluation mode; needs no supernet.

    Raises:
        CheckpointError: The file is absent, damaged, not finite, or no extracted network.
    """
    tensors, header = read_tensors(path, FORMAT)
    try:
        network = _filled(
            Subnet.from_json(header["subnet"]), tensors, is_folded=header["batch_norm"] == "folded"
        )
    except (KeyError, TypeError, ValueError, RuntimeError, DocumentError) as error:
        raise CheckpointError(f"checkpoint {path} does not fit the subnet in its header ({error})") from error
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"checkpoint {path}: {name} holds values that are not finite")
    return network.eval()
