"""Extraction of a subnet as a plain network with copies of its weights, and the file format of such networks.

    network = extract(supernet, subnet, one_subnet.record_statistics(supernet, subnet, images))
    save_extracted(Path("network.safetensors"), folded(network), space=supernet.space)
    network = load_extracted(Path("network.safetensors"))

The file is safetensors, float32; its header says what the network is and how images must be normalised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_weights

from search_space.errors import DocumentError
from search_space.space import Space
from search_space.subnet import Stage, Subnet
from supernet.checkpoints.header import EPSILON, NETWORK_FORMAT, CheckpointError, stored_epsilon
from supernet.checkpoints.image_input import (
    CIFAR10_SCALE,
    ImageInput,
    PixelScale,
    image_input,
    resized_side,
)
from supernet.checkpoints.tensor_file import read_tensors, write_tensors
from supernet.network.batch_norm import Recorded
from supernet.network.elastic_layers import leading
from supernet.network.elastic_stage import ElasticStage
from supernet.network.extracted_tensors import Norms, Slices, linear_slices, prefixed
from supernet.network.plain_network import PlainNetwork
from supernet.network.supernet import Supernet

FORMAT = NETWORK_FORMAT

_LINEAR_BEHIND = {"attention_norm": "attention.qkv", "mlp_norm": "fc1"}
"""The linear layer behind each batch norm of a transformer block."""


def extract(supernet: Supernet, subnet: Subnet, statistics: Recorded | None = None) -> PlainNetwork:
    """Extracts a subnet from a supernet as an ordinary `torch.nn.Module`, with copies of its weights.

    In evaluation mode its logits are those of the supernet with the same `statistics`. In training mode they
    are those of the supernet with the statistics of the batch.

    Args:
        supernet: Source of the weights; it stays unchanged.
        subnet: A member of its search space.
        statistics: Batch-norm statistics recorded for this subnet
            (`supernet.accuracy.one_subnet.record_statistics`). By default batch norm starts at mean 0 and
            variance 1, so the network must be trained before it is evaluated.

    Raises:
        DocumentError: `subnet` does not belong to the supernet's search space.
        H4HError: The statistics belong to another subnet.
    """
    supernet.space.encode(subnet)
    # Slicing outside any network avoids random initial weights that would only be overwritten.
    tensors = {
        name: value.detach().clone() for name, value in subnet_tensors(supernet, subnet, Norms(statistics))
    }
    return filled(
        subnet, tensors, is_folded=False, epsilon=supernet.epsilon, pixel_scale=supernet.pixel_scale
    )


def folded(network: PlainNetwork) -> PlainNetwork:
    """A copy of `network` without batch norm: the convolution before or the linear layer behind holds it.

    Its logits are those of `network` in evaluation mode, up to rounding. It is meant for deployment, since it
    has no batch norm that could follow further training.
    """
    tensors = {name: value.detach().clone() for name, value in network.state_dict().items()}
    batch_norms = [name for name in tensors if name.endswith("norm.running_mean")]
    for norm in (name.removesuffix(".running_mean") for name in batch_norms):
        mean, variance, scale, shift, _ = (
            tensors.pop(f"{norm}.{part}")
            for part in ("running_mean", "running_var", "weight", "bias", "num_batches_tracked")
        )
        block, _, kind = norm.rpartition(".")
        if kind in _LINEAR_BEHIND:
            linear = f"{block}.{_LINEAR_BEHIND[kind]}"
            weight, factor = tensors[f"{linear}.weight"], scale * torch.rsqrt(variance + network.epsilon)
            tensors[f"{linear}.weight"] = weight * factor
            tensors[f"{linear}.bias"] += weight @ (shift - mean * factor)
            continue
        weight, bias = fuse_conv_bn_weights(
            tensors[f"{block}.conv.weight"], None, mean, variance, network.epsilon, scale, shift
        )
        tensors[f"{block}.conv.weight"], tensors[f"{block}.conv.bias"] = weight.detach(), bias.detach()
    copy = filled(
        network.subnet,
        tensors,
        is_folded=True,
        epsilon=network.epsilon,
        pixel_scale=network.pixel_scale,
    )
    return copy.train(network.training)


def filled(
    subnet: Subnet,
    tensors: Mapping[str, Tensor],
    *,
    is_folded: bool,
    epsilon: float = EPSILON,
    pixel_scale: PixelScale = CIFAR10_SCALE,
) -> PlainNetwork:
    """The network that `subnet` describes, with `tensors` by their names as its weights and statistics."""
    with torch.device("meta"):  # shapes only
        network = PlainNetwork(subnet, folded=is_folded, epsilon=epsilon, pixel_scale=pixel_scale)
    network.load_state_dict(tensors, assign=True)
    return network


# --- slices --------------------------------------------------------------------------------------


def subnet_tensors(supernet: Supernet, subnet: Subnet, norms: Norms) -> Slices:
    """The slices of `supernet` that `subnet` uses, under their names in the plain network.

    Args:
        supernet: Source of the weights.
        subnet: A member of its search space.
        norms: Tensors of batch norm.
    """
    stem, head = subnet.stem.width, subnet.head
    yield "stem.conv.weight", leading(supernet.stem.weight, stem)
    yield from norms.slices(supernet.stem_norm, stem, "stem.norm")
    for number, (layer, stage) in enumerate(zip(supernet.stages, subnet.stages, strict=True)):
        assert isinstance(layer, ElasticStage)
        yield from prefixed(
            f"stages.{number}", _stage(layer, stage, side=subnet.sides[number + 1], norms=norms)
        )
    yield "head.conv.weight", leading(supernet.head.weight, head.width, head.in_width)
    yield from norms.slices(supernet.head_norm, head.width, "head.norm")
    yield from linear_slices(supernet.classifier, head.width, head.classes, "classifier")


def _stage(layer: ElasticStage, stage: Stage, *, side: int, norms: Norms) -> Slices:
    step = stage.downsampling
    yield from prefixed("downsampling", layer.step_layer(step).slices(step, norms))
    if any(block.takes_tokens for block in stage.blocks):
        assert layer.positions is not None
        yield "positions", layer.positions.resized(stage.width, side, side)
    numbers: Counter[str] = Counter()
    for kind, elastic, block in layer.layers(stage):
        yield from prefixed(f"{kind}_blocks.{numbers[kind]}", elastic.slices(block, norms))
        numbers[kind] += 1


# --- files ---------------------------------------------------------------------------------------


def save_extracted(
    path: Path,
    network: PlainNetwork,
    *,
    space: Space | Mapping[str, str],
    data: Mapping[str, str] | None = None,
    images: ImageInput | None = None,
) -> None:
    """Writes `network` in float32, whole or not at all.

    The header tells `format`, `space` (name and digest), `subnet`, `classes`, `batch_norm` (``separate`` or
    ``folded``), `epsilon` (added to the variance in batch norm), and the entries of `ImageInput.to_header`.

    Args:
        path: File to write.
        network: Result of `extract` or `folded`, perhaps fine-tuned.
        space: Search space of its subnet, or this entry in the header of the file that it comes from.
        data: Training data, as `supernet.images.data_sets.ImageData.recorded` describes it.
        images: How its images are prepared, and the names of its classes; by default as squares of the
            largest resolution of `space` (of the network without a space), without names.
    """
    side = max(space.resolution) if isinstance(space, Space) else network.subnet.resolution
    images = (images or ImageInput(side, resized_side(side))).scaled(network.pixel_scale)
    header: dict[str, Any] = {
        "format": FORMAT,
        "space": {"name": space.name, "digest": space.digest} if isinstance(space, Space) else dict(space),
        "subnet": network.subnet.to_json(),
        "classes": network.subnet.head.classes,
        "batch_norm": "folded" if network.folded else "separate",
        "epsilon": network.epsilon,
        **images.to_header(),
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
        subnet = Subnet.from_json(header["subnet"])
        images = image_input(path, header, size=subnet.resolution, classes=subnet.head.classes)
        network = filled(
            subnet,
            tensors,
            is_folded=header["batch_norm"] == "folded",
            epsilon=stored_epsilon(path, header),
            pixel_scale=images.pixel_scale,
        )
    except (KeyError, TypeError, ValueError, RuntimeError, DocumentError) as error:
        raise CheckpointError(f"checkpoint {path} does not fit the subnet in its header ({error})") from error
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"checkpoint {path}: {name} holds values that are not finite")
    return network.eval()
