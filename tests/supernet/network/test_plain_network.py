"""Fast kernels in a plain network: the same values, gradients and names."""

from __future__ import annotations

import copy

import torch

from search_space.space import Space
from supernet.network.cpu_kernels import attention
from supernet.network.extraction import extract, folded
from supernet.network.plain_blocks import Attention
from supernet.network.plain_network import FastDepthwise, with_fast_backward
from supernet.network.supernet import Supernet


def test_same_values_gradients_and_names(small_space: Space) -> None:
    torch.manual_seed(0)
    plain = extract(Supernet(small_space), small_space.decode(small_space.largest()))
    fast = with_fast_backward(copy.deepcopy(plain))
    assert any(isinstance(module, FastDepthwise) for module in fast.modules())
    assert all(module.product is attention for module in fast.modules() if isinstance(module, Attention))
    assert fast.state_dict().keys() == plain.state_dict().keys()
    images = torch.randn(16, 3, 16, 16)
    for network in (plain, fast):
        network(images).logsumexp(1).sum().backward()
    gradients = dict(fast.named_parameters())
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(gradients[name].grad, parameter.grad, rtol=1e-3, atol=1e-4, msg=name)
    with torch.no_grad():
        torch.testing.assert_close(fast.eval()(images), plain.eval()(images))


def test_a_folded_network_is_left_as_it_is(small_space: Space) -> None:
    network = folded(extract(Supernet(small_space), small_space.decode(small_space.smallest())))
    kinds = [type(module) for module in network.modules()]
    assert [type(module) for module in with_fast_backward(network).modules()] == kinds
