"""Subnets in integers: against floating point with fine steps, and on images that leave tensors empty."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from search_space.families import Family, family
from search_space.space import load_space
from search_space.subnet import Subnet
from supernet.accuracy.int8_network import Integers, Numbers, Observed, Stored, run
from supernet.network.batch_norm import Folded, Recording
from supernet.network.subnet_parts import parts
from supernet.network.supernet import Supernet

SPACE = load_space("cifar32")
torch.manual_seed(0)
SUPERNET = Supernet(SPACE).eval()
with torch.no_grad():
    for weight in SUPERNET.parameters():
        weight.add_(0.1 * torch.randn_like(weight))  # so that no block does nothing
IMAGES = torch.randn(12, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def folded(subnet: Subnet, images: Tensor = IMAGES) -> Folded:
    recording = Recording()
    SUPERNET(images, subnet, recording)
    return Folded(recording.result().statistics)


def computed(subnet: Subnet, images: Tensor, numbers: Numbers) -> Tensor:
    x = Stored(images, 1.0)
    for part in parts(SUPERNET, subnet):
        x = run(part, x, numbers)
    return x.real()


def of_each_family() -> list[Subnet]:
    rng = np.random.default_rng(0)
    found: dict[Family, Subnet] = {}
    while len(found) < len(Family):
        subnet = SPACE.decode(SPACE.sample(rng))
        found.setdefault(family(subnet), subnet)
    return [*found.values(), SPACE.decode(SPACE.largest()), SPACE.decode(SPACE.smallest())]


@pytest.mark.parametrize("subnet", of_each_family(), ids=str)
@torch.inference_mode()
def test_the_finer_the_steps_the_nearer_to_floating_point(subnet: Subnet) -> None:
    statistics = folded(subnet)
    exact = SUPERNET(IMAGES, subnet, statistics)
    observed = Observed(statistics)
    torch.testing.assert_close(computed(subnet, IMAGES, observed), exact, rtol=1e-4, atol=1e-4)
    before = IMAGES.clone()
    errors = [
        float((computed(subnet, IMAGES, observed.result(bits=bits)) - exact).norm() / exact.norm())
        for bits in (6, 8, 12, 16)
    ]
    assert torch.equal(IMAGES, before)
    assert errors[0] > errors[1] > errors[2] > errors[3]
    assert errors[1] < 0.3
    assert errors[3] < errors[1] / 100


@torch.inference_mode()
def test_all_that_is_stored_is_a_whole_number_of_steps_in_eight_bits() -> None:
    subnet = SPACE.decode(SPACE.largest())
    observed = Observed(folded(subnet))
    computed(subnet, IMAGES, observed)
    integers = observed.result()
    x = Stored(IMAGES * 2, 1.0)  # beyond the ranges met
    for part in parts(SUPERNET, subnet):
        x = run(part, x, integers)
        assert torch.equal(x.values, x.values.round())
        assert float(x.values.max() - x.values.min()) <= 255


@torch.inference_mode()
def test_ranges_are_those_of_all_batches() -> None:
    subnet = SPACE.decode(SPACE.smallest())
    statistics = folded(subnet)
    whole, in_turn = Observed(statistics), Observed(statistics)
    computed(subnet, IMAGES, whole)
    for batch in (IMAGES[:5], IMAGES[5:]):
        computed(subnet, batch, in_turn)
    expected, got = (computed(subnet, IMAGES, one.result()) for one in (whole, in_turn))
    torch.testing.assert_close(got, expected, rtol=0, atol=float(expected.abs().max()) / 20)


@torch.inference_mode()
def test_tensors_that_are_constant() -> None:
    # Black images: every map is constant, and what ReLU6 cuts off is empty.
    subnet = SPACE.decode(SPACE.largest())
    black = torch.zeros(2, 3, 32, 32)
    statistics = folded(subnet)
    observed = Observed(statistics)
    exact = computed(subnet, black, observed)
    got = computed(subnet, black, observed.result())
    assert got.isfinite().all()
    torch.testing.assert_close(got, exact, rtol=0.3, atol=float(exact.abs().max()) / 10)


def test_without_ranges_there_are_no_grids() -> None:
    assert isinstance(Observed(Folded({})).result(), Integers)


@pytest.mark.parametrize("subnet", of_each_family()[:2], ids=str)
@torch.inference_mode()
def test_neither_batch_nor_order_of_images_changes_a_bit_in_integers(subnet: Subnet) -> None:
    images = IMAGES[:6]
    observed = Observed(folded(subnet, images))
    computed(subnet, images, observed)
    integers = observed.result()
    whole = computed(subnet, images, integers)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(2))
    assert torch.equal(computed(subnet, images[order], integers), whole[order])
    parts_of_it = [computed(subnet, part, integers) for part in (images[:1], images[1:3], images[3:])]
    assert torch.equal(torch.cat(parts_of_it), whole)
    assert not torch.equal(whole[0], whole[1])
