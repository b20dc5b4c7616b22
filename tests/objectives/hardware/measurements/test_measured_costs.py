from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objectives.hardware.measurements.measured_costs import (
    MeasuredCosts,
    Origin,
    measured_cycles,
    measured_energy,
)
from objectives.hardware.measurements.measured_ops import MeasuredOp, MeasuredOps, MeasurementError
from objectives.hardware.op import Op, OpArrays
from search_space.arrays import Floats

SMALL, MIDDLE, LARGE = (Op("conv2d", 8, 8, 16, channels) for channels in (16, 32, 64))
OTHER = Op("conv2d", 8, 8, 16, 48)
HUGE = Op("conv2d", 8, 8, 16, 1024)
LINEAR = Op("linear", 64, 1, 16, 16)


def model(ops: OpArrays, macros: Floats, units: Floats | None = None) -> Floats:
    """One cycle for 64 multiply-accumulates, so 256 for the smallest of the convolutions above."""
    return ops.macs / 64 / np.maximum(macros, 1)


def measured(*pairs: tuple[Op, float]) -> MeasuredCosts:
    rows = tuple(MeasuredOp(op, 0, cycles, float("nan"), "test") for op, cycles in pairs)
    return measured_cycles(MeasuredOps(rows), model)


def test_by_hand() -> None:
    # The model says 256 and 1024; the device takes 2 and 8 times as long, 4 times in the geometric mean.
    cycles = measured((SMALL, 512.0), (LARGE, 8192.0))
    ops = OpArrays.of([SMALL, MIDDLE, LARGE, HUGE, LINEAR])
    none = np.zeros(len(ops))
    assert cycles.of(ops, none).tolist() == pytest.approx([512, 4 * 512, 8192, 4 * 16384, 256])
    assert cycles.origins(ops, none).tolist() == [
        Origin.MEASURED,
        Origin.INTERPOLATED,
        Origin.MEASURED,
        Origin.EXTRAPOLATED,
        Origin.MODELLED,
    ]
    (fit,) = cycles.fits.values()
    assert (fit.kind, fit.count, fit.least, fit.most) == ("conv2d", 2, 256, 1024)
    assert fit.factor == pytest.approx(4)
    # Without the first, it is predicted as 8 times the model instead of 2: 300 % off; without the second
    # 2 times instead of 8: 75 % off.
    assert fit.error == pytest.approx((300 + 75) / 2)


def test_one_measurement_says_nothing_about_the_error() -> None:
    (fit,) = measured((SMALL, 512.0)).fits.values()
    assert fit.factor == pytest.approx(2)
    assert np.isnan(fit.error)


def test_macros_are_told_apart() -> None:
    table = MeasuredOps((MeasuredOp(SMALL, 4, 100.0, 0.0, ""),))
    cycles = measured_cycles(table, model)
    # On 4 macros the model says 64, so others are scaled by 100 / 64.
    found = cycles.of(OpArrays.of([SMALL, SMALL]), np.array([4.0, 8.0]))
    assert found.tolist() == pytest.approx([100.0, 32 * 100 / 64])


def test_units_are_told_apart() -> None:
    table = MeasuredOps((MeasuredOp(SMALL, 4, 100.0, 0.0, "", units=2),))
    cycles = measured_cycles(table, lambda ops, _, units: ops.macs / 64 / units)
    # With 2 units the model says 128.
    found = cycles.of(OpArrays.of([SMALL, SMALL]), np.full(2, 4.0), np.array([2.0, 8.0]))
    assert found.tolist() == pytest.approx([100.0, 32 * 100 / 128])


def test_energy_follows_the_rows_that_state_one() -> None:
    rows = (MeasuredOp(SMALL, 0, 1.0, 0.0, ""), MeasuredOp(LARGE, 0, 1.0, 0.0, "", picojoules=2048.0))
    energy = measured_energy(MeasuredOps(rows), model)
    assert energy is not None
    # 1024 are modelled for the large one, so the small one has twice its 256.
    assert energy.of(OpArrays.of([SMALL, LARGE])).tolist() == pytest.approx([512, 2048])
    assert energy.origins(OpArrays.of([SMALL, LARGE])).tolist() == [Origin.EXTRAPOLATED, Origin.MEASURED]
    assert measured_energy(MeasuredOps(rows[:1]), model) is None


@pytest.mark.parametrize("modelled", [0.0, np.inf, np.nan])
def test_a_model_that_cannot_be_scaled_is_one_line(modelled: float) -> None:
    table = MeasuredOps((MeasuredOp(SMALL, 0, 1.0, 0.0, ""),), "mine.csv")
    with pytest.raises(MeasurementError, match=r"^mine.csv: conv2d 8x8x16->16 is measured, but .*$"):
        _ = measured_cycles(table, lambda ops, *_: np.full(len(ops), modelled)).fits


@given(factor=st.floats(0.01, 100))
def test_a_device_that_is_slower_by_a_factor_is_predicted_exactly(factor: float) -> None:
    pairs = [(op, factor * float(model(OpArrays.of([op]), np.zeros(1))[0])) for op in (SMALL, MIDDLE, LARGE)]
    cycles = measured(*pairs)
    (fit,) = cycles.fits.values()
    assert fit.factor == pytest.approx(factor)
    assert fit.error == pytest.approx(0, abs=1e-9)
    other = OpArrays.of([OTHER])
    assert cycles.of(other, np.zeros(1)) == pytest.approx(factor * model(other, np.zeros(1)))


@given(times=st.permutations([300.0, 700.0, 2000.0]))
def test_what_is_measured_is_what_is_said(times: list[float]) -> None:
    ops = (SMALL, MIDDLE, LARGE)
    cycles = measured(*zip(ops, times, strict=True))
    assert cycles.of(OpArrays.of(ops), np.zeros(3)).tolist() == times
