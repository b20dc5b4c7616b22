"""NASViT's gradient projection, against values by hand and its geometry."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from supernet.training.gradient_projection import project, project_gradients, take_gradients


def projected(g_m: list[float], g_s: list[float]) -> Tensor:
    (result,) = project([torch.tensor(g_m)], [torch.tensor(g_s)])
    return result


def test_gradients_that_agree_are_summed() -> None:
    assert projected([1.0, 2.0], [3.0, 0.0]).tolist() == [4.0, 2.0]


def test_what_opposes_the_others_is_taken_from_the_largest() -> None:
    # a = 2 / 4 = 1/2, so 1.5 * (2, 0) + (-1, 3)
    assert projected([-1.0, 3.0], [2.0, 0.0]).tolist() == pytest.approx([2.0, 3.0], rel=1e-6)


def test_share_is_relative_to_the_whole_norm_of_the_others() -> None:
    # a = 5 / (4 + 1), so 2 * (2, 1) + (-3, 1)
    assert projected([-3.0, 1.0], [2.0, 1.0]).tolist() == pytest.approx([1.0, 3.0], rel=1e-5)


def test_the_share_is_at_most_two() -> None:
    # a = 10 without the limit; 3 * (1, 0) + (-10, 1)
    assert projected([-10.0, 1.0], [1.0, 0.0]).tolist() == pytest.approx([-7.0, 1.0])


def test_without_a_gradient_of_the_others_the_largest_stays() -> None:
    assert projected([-10.0, 1.0], [0.0, 0.0]).tolist() == [-10.0, 1.0]


def test_each_tensor_is_projected_alone() -> None:
    first, second = project(
        [torch.tensor([-1.0]), torch.tensor([1.0])], [torch.tensor([2.0]), torch.tensor([2.0])]
    )
    # a = 1/2 for the first, 0 for the second
    assert first.item() == pytest.approx(2.0)
    assert second.item() == 3.0


def test_gradients_of_a_network_are_projected_by_name() -> None:
    network = nn.ParameterDict(
        {name: nn.Parameter(torch.zeros(2)) for name in ("both", "largest", "others", "none")}
    )
    network["both"].grad = torch.tensor([-3.0, 1.0])
    network["largest"].grad = torch.tensor([5.0, 6.0])
    of_largest = take_gradients(network)
    assert all(parameter.grad is None for parameter in network.parameters())
    network["both"].grad = torch.tensor([2.0, 1.0])
    network["others"].grad = torch.tensor([7.0, 8.0])
    project_gradients(network, of_largest)
    gradients = {name: parameter.grad for name, parameter in network.items()}
    assert gradients.pop("none") is None
    expected = {"both": [1.0, 3.0], "largest": [5.0, 6.0], "others": [7.0, 8.0]}
    for name, values in expected.items():
        assert gradients[name].tolist() == pytest.approx(values, rel=1e-5)


VECTORS = st.lists(st.floats(-10, 10, width=32), min_size=4, max_size=4)


@given(VECTORS, VECTORS)
def test_no_result_opposes_the_others_unless_the_share_is_at_its_limit(
    g_m: list[float], g_s: list[float]
) -> None:
    a, b = torch.tensor(g_m, dtype=torch.float64), torch.tensor(g_s, dtype=torch.float64)
    (result,) = project([a], [b])
    norm = b.norm()
    if norm < 0.1 or -(a @ b) / norm**2 > 2:
        return
    # <result, g_s> = ||g_s||^2 where they conflict, and more where they agree
    assert result @ b >= norm**2 * (1 - 1e-3)
