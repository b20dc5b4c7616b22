"""The supernet computes the network that a subnet describes: shapes, MACs, parameters, values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import mobilenet_v2

from search_space.complexity import macs, params
from search_space.errors import H4HError
from search_space.families import without_vit
from search_space.mobilenet_v2 import MOBILENET_V2
from search_space.space import Space, load_space
from search_space.subnet import MBConv, Subnet
from supernet.images.labelled_images import resized
from supernet.network.blocks import ElasticViTBlock
from supernet.network.elastic_layers import ElasticBatchNorm
from supernet.network.supernet import Supernet


def subnets_of(space: Space, random: int, seed: int = 0) -> list[Subnet]:
    rng = np.random.default_rng(seed)
    genotypes = [space.smallest(), space.largest(), *(space.sample(rng) for _ in range(random))]
    return [space.decode(genotype) for genotype in genotypes]


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    torch.manual_seed(0)
    return Supernet(load_space("cifar32"))


def test_macs_agree_with_torch_flop_counter(supernet: Supernet) -> None:
    for subnet in subnets_of(supernet.space, 15):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            logits = supernet(torch.randn(1, 3, 32, 32), subnet)
        assert logits.shape == (1, 10)
        assert counter.get_total_flops() == 2 * macs(subnet)


def test_params_are_the_weights_that_gradients_reach() -> None:
    # A second count, with nothing in common with the formula: a weight that takes part has a gradient.
    torch.manual_seed(1)
    supernet = Supernet(load_space("cifar32"))
    for module in supernet.modules():
        if isinstance(module, ElasticBatchNorm):  # keep all channels inside ReLU6's linear range
            nn.init.constant_(module.weight, 0.5)
            nn.init.constant_(module.bias, 3.0)
        if isinstance(module, ElasticViTBlock):
            nn.init.ones_(module.attention_scale)
            nn.init.ones_(module.mlp_scale)
    # Position embeddings are stored for the largest resolution; at others they are resized.
    subnets = [subnet for subnet in subnets_of(supernet.space, 12) if subnet.resolution == 32]
    assert len(subnets) >= 3
    for subnet in subnets:
        reached = [torch.zeros_like(p, dtype=torch.bool) for p in supernet.parameters()]
        # Three batches: behind batch norm a few gradients cancel, up to rounding, and can be 0 by chance.
        for _ in range(3):
            supernet.zero_grad()
            logits = supernet(torch.randn(4, 3, 32, 32), subnet)
            (logits * torch.randn_like(logits)).sum().backward()
            for mask, parameter in zip(reached, supernet.parameters(), strict=True):
                if parameter.grad is not None:
                    mask |= parameter.grad != 0
        missing = params(subnet) - sum(int(mask.sum()) for mask in reached)
        assert 0 <= missing <= 5


def test_mobilenetv2_equals_torchvision_with_the_same_weights() -> None:
    torch.manual_seed(0)
    reference = mobilenet_v2().eval()
    ours = Supernet(load_space("imagenet224"))
    _load_mobilenet_v2(ours, reference)
    images = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        for module in reference.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train()  # statistics of the batch, as ours
        torch.testing.assert_close(ours(images, MOBILENET_V2), reference(images), rtol=1e-3, atol=1e-4)


def _load_mobilenet_v2(ours: Supernet, reference: nn.Module) -> None:
    layers = [m for m in reference.modules() if isinstance(m, (nn.Conv2d, nn.BatchNorm2d, nn.Linear))]
    slots: list[Tensor | tuple[Tensor, Tensor]] = []

    def add(conv: nn.Module, norm: nn.Module, kernel: int = 0) -> None:
        weight: Tensor = conv.weight  # type: ignore[assignment]
        margin = (weight.shape[-1] - kernel) // 2 if kernel else 0
        centre = slice(margin, weight.shape[-1] - margin)
        slots.append(weight[:, :, centre, centre])
        slots.append((norm.weight, norm.bias))  # type: ignore[arg-type]

    add(ours.stem, ours.stem_norm)
    for layer, stage in zip(ours.stages, MOBILENET_V2.stages, strict=True):
        blocks = [layer.mbconv, *layer.conv_blocks]  # type: ignore[misc]
        for block, form in zip(blocks, [stage.downsampling, *stage.conv_blocks], strict=False):
            assert isinstance(form, MBConv)
            if form.expansion > 1:
                add(block.expand, block.expand_norm)
            add(block.depthwise, block.depthwise_norm, kernel=form.kernel)
            add(block.project, block.project_norm)
    add(ours.head, ours.head_norm)
    slots.append((ours.classifier.weight, ours.classifier.bias))

    assert len(slots) == len(layers)
    with torch.no_grad():
        for slot, module in zip(slots, layers, strict=True):
            pair = slot if isinstance(slot, tuple) else (slot,)
            for target, source in zip(pair, (module.weight, module.bias), strict=False):
                assert isinstance(source, Tensor)
                target[tuple(slice(0, length) for length in source.shape)] = source


def test_new_transformer_blocks_leave_the_function_as_it_is() -> None:
    torch.manual_seed(0)
    fresh = Supernet(load_space("cifar32"))
    largest = fresh.space.decode(fresh.space.largest())
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(
            fresh(images, largest), fresh(images, without_vit(largest)), rtol=0, atol=1e-4
        )


def test_images_are_resized_to_the_resolution() -> None:
    images = torch.randn(2, 3, 32, 32)
    assert resized(images, 32) is images
    want = F.interpolate(images, (24, 24), mode="bilinear", antialias=True)
    torch.testing.assert_close(resized(images, 24), want)


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 1, 32, 32), (2, 3, 32, 24)])
def test_other_shapes_are_refused(supernet: Supernet, shape: tuple[int, ...]) -> None:
    subnet = supernet.space.decode(supernet.space.smallest())
    with pytest.raises(H4HError, match=r"images must have shape \(n, 3, s, s\)"):
        supernet(torch.zeros(shape), subnet)
