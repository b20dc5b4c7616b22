"""Grids of integers, against closed forms, torch's fake quantisation and sums of whole numbers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import assume, example, given
from hypothesis import strategies as st
from torch.nn import functional as F

from supernet.accuracy.int8_grids import Grid, activation_grid, quantised_weights, stored

RANGES = st.tuples(
    st.floats(-1e4, 1e4, width=32, allow_subnormal=False), st.floats(0, 1e4, width=32, allow_subnormal=False)
).map(lambda pair: (pair[0], pair[0] + pair[1]))


@pytest.mark.parametrize(
    ("least", "most", "expected"),
    [
        (0.0, 6.0, Grid(6 / 255, 0, 255)),
        (-1.0, 1.04, Grid(0.008, -125, 130)),
        (-255.0, 0.0, Grid(1.0, -255, 0)),
        (2.0, 5.1, Grid(0.02, 0, 255)),  # 0 is always on the grid
        (-51.0, -3.0, Grid(0.2, -255, 0)),
        (-1.0, 254.0, Grid(1.0, -1, 254)),
    ],
)
def test_grid_in_closed_form(least: float, most: float, expected: Grid) -> None:
    got = activation_grid(least, most)
    assert got.scale == pytest.approx(expected.scale, rel=1e-6)
    assert (got.low, got.high) == (expected.low, expected.high)


@given(limits=RANGES, bits=st.integers(4, 16))
def test_grid_holds_zero_and_reaches_both_ends_within_a_step(limits: tuple[float, float], bits: int) -> None:
    grid = activation_grid(*limits, bits=bits)
    assert grid.low <= 0 <= grid.high
    assert grid.high - grid.low == 2**bits - 1
    slack = grid.scale * 0.501 + 1e-6 * max(map(abs, limits))
    if max(map(abs, limits)) > 1e-30:
        assert grid.low * grid.scale <= limits[0] + slack
        assert grid.high * grid.scale >= limits[1] - slack


@pytest.mark.parametrize("value", [0.0, -0.0, 1e-300, 1e-44, 1.2e-38, -3e-37])
def test_an_empty_range_has_a_grid(value: float) -> None:
    grid = activation_grid(value, value)
    assert grid == Grid(1.0, 0, 255)
    assert stored(torch.full((3,), value), 1.0, grid, clamp=None).tolist() == [0, 0, 0]


@pytest.mark.parametrize("value", [3.7, -0.02])
def test_a_constant_is_kept(value: float) -> None:
    grid = activation_grid(value, value)
    whole = stored(torch.full((2,), value), 1.0, grid, clamp=None)
    torch.testing.assert_close(whole * grid.scale, torch.full((2,), value))


@pytest.mark.parametrize("limits", [(math.nan, 1.0), (-1.0, math.inf), (-3e38, 3e38 * 1000)])
def test_what_is_not_finite_stays_so(limits: tuple[float, float]) -> None:
    grid = activation_grid(*limits)
    assert stored(torch.ones(2), 1.0, grid, clamp=(0.0, 6.0)).isnan().all()


@given(limits=RANGES, seed=st.integers(0, 2**31))
@example(limits=(0.0, 1.1754943508222875e-38), seed=0)
def test_as_torch_fake_quantises(limits: tuple[float, float], seed: int) -> None:
    grid = activation_grid(*limits)
    x = torch.randn(500, generator=torch.Generator().manual_seed(seed)) * max(map(abs, limits))
    zero_point = -128 - grid.low
    expected = torch.fake_quantize_per_tensor_affine(x, grid.scale, zero_point, -128, 127)
    whole = stored(x.clone(), 1.0, grid, clamp=None)
    # The two may round apart where a value lies in the middle between two steps.
    is_tie = ((x / grid.scale) % 1 - 0.5).abs() < 1e-3
    torch.testing.assert_close((whole * grid.scale)[~is_tie], expected[~is_tie])
    again = stored(whole * grid.scale, 1.0, grid, clamp=None)
    assert torch.equal(again, whole)


def test_relu6_by_limits() -> None:
    grid = activation_grid(-2.0, 10.75)  # steps of 0.05
    values = torch.tensor([-1.0, 0.0, 3.0, 6.0, 6.4, 9.0])
    assert stored(values, 1.0, grid, clamp=(0.0, 6.0)).tolist() == [0, 0, 60, 120, 120, 120]


def test_weights_in_closed_form() -> None:
    weight = torch.tensor([[127.0, -63.4, 0.2], [-0.0254, 0.0127, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    bias = torch.tensor([3.1, 1.0, 0.5, 0.0])
    whole, steps, step = quantised_weights(weight, bias, 0.5)
    assert whole.tolist() == [[127, -63, 0], [-127, 64, 0], [0, 0, 0], [0, 0, 0]]  # 63.5 to the even number
    assert step[:2].tolist() == pytest.approx([0.5, 0.0001])
    assert steps[:2].tolist() == [6, 10000]
    torch.testing.assert_close(steps * step.float(), torch.tensor([3.0, 1.0, 0.5, 0.0]))


@given(seed=st.integers(0, 2**31), columns=st.integers(1, 518))
def test_linear_layer_as_integers_compute_it(seed: int, columns: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(20, columns, generator=generator).relu() * 3
    weight, bias = torch.randn(6, columns, generator=generator), torch.randn(6, generator=generator)
    inputs = activation_grid(float(x.min()), float(x.max()))
    whole = stored(x, 1.0, inputs, clamp=None)
    made = quantised_weights(weight, bias, inputs.scale)
    expected = whole.long() @ made.weight.long().T + made.bias.long()
    # Beyond that float32 holds no odd number; a bias comes there where all weights of a channel are tiny.
    assume(int(expected.abs().max()) < 2**24)
    sums = F.linear(whole, made.weight, made.bias)
    assert torch.equal(sums.long(), expected)

    outputs = activation_grid(-4.0, 30.0)
    exact = expected.double() * made.step / outputs.scale
    got = stored(sums, made.step, outputs, clamp=None)
    is_tie = (exact % 1 - 0.5).abs() < 1e-4
    rounded = exact.round().clamp(outputs.low, outputs.high).float()
    assert torch.equal(got[~is_tie], rounded[~is_tie])


@pytest.mark.parametrize("groups", [1, 8])
def test_convolution_as_integers_compute_it(groups: int) -> None:
    generator = torch.Generator().manual_seed(groups)
    x = torch.randn(4, 8, 9, 9, generator=generator)
    weight = torch.randn(16 if groups == 1 else 8, 8 // groups, 3, 3, generator=generator)
    bias = torch.randn(len(weight), generator=generator)
    inputs = activation_grid(float(x.min()), float(x.max()))
    whole = stored(x, 1.0, inputs, clamp=None)
    made = quantised_weights(weight, bias, inputs.scale)
    got = F.conv2d(whole, made.weight, made.bias, padding=1, groups=groups)
    expected = F.conv2d(whole.long(), made.weight.long(), made.bias.long(), padding=1, groups=groups)
    assert torch.equal(got.long(), expected)


def test_the_largest_sum_that_is_exact() -> None:
    whole, weight = torch.full((1, 518), 255.0), torch.full((1, 518), 127.0)
    assert float(whole @ weight.T) == 255 * 127 * 518 < 2**24 < 255 * 127 * 519
