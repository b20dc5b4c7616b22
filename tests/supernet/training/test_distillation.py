"""Losses of in-place distillation, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from supernet.training.distillation import alpha_divergence, distil


def loss_and_gradient(p: list[float], q: list[float]) -> tuple[float, Tensor]:
    """Divergence of one image, and its gradient by the student's logits."""
    logits = torch.tensor([q]).log().requires_grad_()
    loss = alpha_divergence(logits, torch.tensor([p]))
    torch.autograd.backward(loss)
    assert logits.grad is not None
    return loss.item(), logits.grad[0]


def kl(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def by_logits(coefficients: list[float], q: list[float]) -> list[float]:
    """Gradient of sum_i c_i log q_i by the logits: c_i - q_i sum c."""
    return [c - b * sum(coefficients) for c, b in zip(coefficients, q, strict=True)]


def test_alpha_one_is_kl_where_it_is_larger() -> None:
    p, q = [0.5, 0.5], [0.8, 0.2]
    # alpha = -1: (0.64 / 0.5 + 0.04 / 0.5 - 1) / 2 = 0.18 is below KL = 0.2231
    loss, gradient = loss_and_gradient(p, q)
    assert loss == pytest.approx(kl(p, q), rel=1e-5)
    assert gradient.tolist() == pytest.approx([0.3, -0.3], abs=1e-6)  # q - p, as of any cross-entropy


def test_alpha_minus_one_where_the_student_is_sure_against_the_teacher() -> None:
    p, q = [0.2, 0.8], [0.6, 0.4]
    # (0.36 / 0.2 + 0.16 / 0.8 - 1) / 2 = 0.5 is above KL = 0.3348; ratios q / p are 3 and 0.5
    loss, gradient = loss_and_gradient(p, q)
    assert loss == pytest.approx(0.5, rel=1e-5)
    assert gradient.tolist() == pytest.approx(by_logits([0.6 * 3, 0.4 * 0.5], q), abs=1e-5)


def test_ratios_are_clipped_at_five() -> None:
    p, q = [0.01, 0.99], [0.6, 0.4]
    # q / p = 60 counts as 5: (0.6 * 4 + 0.4 * (0.4 / 0.99 - 1)) / 2, still above KL = 0.8562
    loss, gradient = loss_and_gradient(p, q)
    assert loss == pytest.approx((0.6 * 4 + 0.4 * (0.4 / 0.99 - 1)) / 2, rel=1e-5)
    assert gradient.tolist() == pytest.approx(by_logits([0.6 * 5, 0.4 * 0.4 / 0.99], q), abs=1e-5)


def test_ratio_of_alpha_one_is_clipped_in_the_gradient_alone() -> None:
    p, q = [0.5, 0.5], [0.05, 0.95]
    # p / q = 10 counts as 5; alpha = -1 gives (0.0025 / 0.5 + 0.9025 / 0.5 - 1) / 2 = 0.405 < KL = 0.8304
    loss, gradient = loss_and_gradient(p, q)
    assert loss == pytest.approx(kl(p, q), rel=1e-5)
    assert gradient.tolist() == pytest.approx(by_logits([-0.05 * 5, -0.5], q), abs=1e-5)


def test_equal_distributions_cost_nothing() -> None:
    loss, gradient = loss_and_gradient([0.3, 0.7], [0.3, 0.7])
    assert loss == pytest.approx(0, abs=1e-6)
    assert gradient.tolist() == pytest.approx([0, 0], abs=1e-6)


def test_each_kind_of_distillation_has_its_own_loss() -> None:
    p, q = [0.2, 0.8], [0.6, 0.4]
    logits, teacher = torch.tensor([q]).log(), torch.tensor([p])
    # alpha = -1 as above; KL plus the entropy of p, which is the cross-entropy
    assert distil("alpha", logits, teacher).item() == pytest.approx(0.5, rel=1e-5)
    expected = -0.2 * math.log(0.6) - 0.8 * math.log(0.4)
    assert distil("kl", logits, teacher).item() == pytest.approx(expected, rel=1e-5)


def test_every_image_takes_its_own_alpha() -> None:
    p = torch.tensor([[0.5, 0.5], [0.2, 0.8]])
    q = torch.tensor([[0.8, 0.2], [0.6, 0.4]])
    expected = (kl([0.5, 0.5], [0.8, 0.2]) + 0.5) / 2
    assert alpha_divergence(q.log(), p).item() == pytest.approx(expected, rel=1e-5)


@given(st.lists(st.floats(-200, 200, width=32), min_size=6, max_size=6))
def test_no_logits_make_it_infinite(values: list[float]) -> None:
    logits = torch.tensor([values[:3]], requires_grad=True)
    loss = alpha_divergence(logits, torch.tensor([values[3:]]).softmax(1))
    torch.autograd.backward(loss)
    assert logits.grad is not None
    assert loss.isfinite()
    assert loss.item() >= -1e-4
    assert logits.grad.isfinite().all()


def test_kl_has_the_gradient_of_torch_s_own() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, teacher = (torch.randn(5, 7, generator=generator) for _ in "ab")
    gradients = []
    for is_ours in (True, False):
        leaf = logits.clone().requires_grad_()
        if is_ours:
            loss = distil("kl", leaf, teacher.softmax(1))
        else:
            loss = F.kl_div(leaf.log_softmax(1), teacher.softmax(1), reduction="batchmean")
        torch.autograd.backward(loss)
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients)
