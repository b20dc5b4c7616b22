"""What decides whether bf16 is native, and what is computed where it is not."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch.nn import functional as F

from supernet.network import number_formats as precision
from supernet.network.cpu_kernels import attention, convolution_relu6, depthwise
from supernet.network.elastic_layers import ElasticConv2d, ElasticLinear
from supernet.network.number_formats import emulation_warning, is_bf16_native, is_widened, resolve_precision
from tests.cpu_path import AVX2, needs_two_paths, output_of

CPU = torch.device("cpu")


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU without bf16 instructions."""
    monkeypatch.setattr(precision, "_CPU_MULTIPLIES_BF16", False)


@needs_two_paths
@pytest.mark.parametrize(
    ("limits", "is_native"),
    [
        ({}, True),
        (AVX2, False),
        ({"ATEN_CPU_CAPABILITY": "avx2"}, False),
        ({"ONEDNN_MAX_CPU_ISA": "AVX2"}, False),
        ({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, False),
    ],
)
def test_limits_of_the_environment_decide(limits: dict[str, str], is_native: bool) -> None:
    found = json.loads(output_of("tests.supernet.native_run", limits=limits))
    assert found == {"is_native": is_native, "auto": "bf16" if is_native else "fp32"}


def test_auto_follows_what_is_native(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_native, name in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(precision, "_CPU_MULTIPLIES_BF16", is_native)
        assert is_bf16_native(CPU) is is_native
        assert resolve_precision("auto", CPU) == name
        assert is_widened(torch.bfloat16, CPU) is not is_native
        assert is_widened(torch.bfloat16, torch.device("meta")) is not is_native
        assert not is_widened(torch.float32, CPU)
        assert not is_widened(torch.bfloat16, torch.device("cuda"))


def test_only_emulated_bf16_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_CPU_MULTIPLIES_BF16", True)
    assert emulation_warning("bf16", CPU) == ""
    monkeypatch.setattr(precision, "_CPU_MULTIPLIES_BF16", False)
    assert emulation_warning("fp32", CPU) == emulation_warning("int8", CPU) == ""
    assert emulation_warning("bf16", torch.device("cuda")) == ""
    supernet, plain = emulation_warning("bf16", CPU), emulation_warning("bf16", CPU, plain=True)
    assert f"about {precision.EMULATED:g} times as long as --precision fp32" in supernet
    assert f"about {precision.EMULATED_PLAIN:g} times" in plain
    assert "\n" not in supernet + plain


@pytest.mark.usefixtures("emulated")
def test_products_are_those_of_float32_rounded() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 16, 6, 6).bfloat16()
    wide = x.float()
    with torch.inference_mode():
        dense = ElasticConv2d(16, 8, kernel=3)
        weight = dense.weight.bfloat16().float()
        assert torch.equal(dense(x, 8), F.conv2d(wide, weight, padding=1).bfloat16())

        kernel, bias = torch.randn(16, 1, 5, 5).bfloat16(), torch.randn(16).bfloat16()
        sums = F.conv2d(wide, kernel.float(), bias.float(), padding=2, groups=16)
        assert torch.equal(depthwise(x, kernel, 1, bias), sums.bfloat16())
        assert torch.equal(convolution_relu6(x, kernel, bias, 1), F.relu6(sums).bfloat16())

        tokens = x.flatten(2).transpose(1, 2)
        linear = ElasticLinear(16, 8)
        products = F.linear(tokens.float(), linear.weight.bfloat16().float(), linear.bias.bfloat16().float())
        assert torch.equal(linear(tokens, 8), products.bfloat16())

        q, k, v = torch.randn(3, 2, 3, 36, 16).bfloat16()
        whole = F.scaled_dot_product_attention(q.float(), k.float(), v.float())
        assert torch.equal(attention(q, k, v), whole.bfloat16())


@pytest.mark.usefixtures("emulated")
@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_are_those_of_float32_rounded(stride: int) -> None:
    torch.manual_seed(1)
    x = torch.randn(2, 8, 6, 6).bfloat16().requires_grad_()
    weight = torch.randn(8, 1, 5, 5).bfloat16().requires_grad_()
    out = depthwise(x, weight, stride)
    grad = torch.randn_like(out)
    found = torch.autograd.grad(out, (x, weight), grad)
    wide_x, wide_weight = (tensor.detach().float().requires_grad_() for tensor in (x, weight))
    wide_out = depthwise(wide_x, wide_weight, stride)
    exact = torch.autograd.grad(wide_out, (wide_x, wide_weight), grad.float())
    assert all(torch.equal(one, other.bfloat16()) for one, other in zip(found, exact, strict=True))


@pytest.mark.usefixtures("emulated")
def test_autocast_is_left_to_torch() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert not is_widened(torch.bfloat16, CPU)
    q = torch.randn(1, 2, 5, 16).bfloat16()
    written_out = ((q / math.sqrt(16)) @ q.transpose(-2, -1)).softmax(-1) @ q
    torch.testing.assert_close(attention(q, q, q), written_out, atol=0.02, rtol=0.02)
