"""A plain network as a supernet of one subnet computes what the network computes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings

from search_space.subnet import Subnet
from supernet.accuracy import many_subnets, one_subnet
from supernet.network.embedding import embedded, space_of
from supernet.network.extraction import extract, folded
from tests.supernet import norm_choice
from tests.supernet.network.test_extraction import FOLD_TOLERANCE, SUPERNET, batch, calibrated, subnets


@given(subnets())
@settings(max_examples=6)
def test_logits_are_those_of_the_network(subnet: Subnet) -> None:
    network = extract(SUPERNET, subnet, calibrated(SUPERNET, subnet)).eval()
    images = batch()
    with torch.inference_mode():
        expected = network(images)
        for plain, tolerance in ((network, 1e-5), (folded(network), FOLD_TOLERANCE)):
            supernet, statistics = embedded(plain)
            found = supernet(images, subnet, statistics)
            torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)
    assert space_of(subnet).decode(space_of(subnet).encode(subnet)) == subnet


@given(norm_choice.subnets())
@settings(max_examples=5)
def test_batch_norm_of_transformer_blocks(subnet: Subnet) -> None:
    images = batch(side=16)
    prepared = one_subnet.PreparedImages(((images, torch.zeros(len(images))),))
    statistics = one_subnet.record_statistics(norm_choice.SUPERNET, subnet, prepared)
    network = extract(norm_choice.SUPERNET, subnet, statistics).eval()
    for plain in (network, folded(network)):
        supernet, own = embedded(plain)
        with torch.inference_mode():
            torch.testing.assert_close(
                supernet(images, subnet, own), network(images), rtol=FOLD_TOLERANCE, atol=FOLD_TOLERANCE
            )


def test_int8_is_that_of_the_supernet_with_the_same_statistics() -> None:
    subnet = SUPERNET.space.decode(SUPERNET.space.largest())
    prepared = one_subnet.PreparedImages(((batch(16, seed=1), torch.zeros(16)),))
    statistics = one_subnet.record_statistics(SUPERNET, subnet, prepared)
    of_supernet = many_subnets.calibrate(SUPERNET, [subnet], prepared, in_integers=True)
    supernet, own = embedded(extract(SUPERNET, subnet, statistics).eval())
    of_network = many_subnets.calibrate(supernet, [subnet], prepared, in_integers=True, statistics=own)
    scores = []
    for ready in (of_supernet, of_network):
        ready.scores(batch(8), lambda _branch, logits: scores.append(logits.clone()))
    assert torch.equal(scores[0], scores[1])


def test_weights_are_copies() -> None:
    subnet = SUPERNET.space.decode(SUPERNET.space.smallest())
    network = extract(SUPERNET, subnet, calibrated(SUPERNET, subnet)).eval()
    supernet, statistics = embedded(network)
    with torch.no_grad():
        before = supernet(batch(), subnet, statistics)
        network.classifier.weight.zero_()
        dict(network.named_buffers())["stem.norm.running_mean"].fill_(9.0)
        assert torch.equal(supernet(batch(), subnet, statistics), before)
    assert before.abs().max() > 0


@pytest.mark.parametrize(
    "part", ["classifier.weight", "stages.1.positions", "stages.3.vit_blocks.0.fc1.bias"]
)
def test_every_tensor_matters(part: str) -> None:
    subnet = SUPERNET.space.decode(SUPERNET.space.largest())
    network = extract(SUPERNET, subnet, calibrated(SUPERNET, subnet)).eval()
    supernet, statistics = embedded(network)
    with torch.no_grad():
        dict(network.named_parameters())[part].mul_(1.5)
        changed, own = embedded(network)
        images = batch()
        found = changed(images, subnet, own)
        torch.testing.assert_close(found, network(images), rtol=1e-5, atol=1e-5)
        assert not torch.allclose(found, supernet(images, subnet, statistics))
