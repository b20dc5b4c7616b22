"""Ops on macros with a digital engine: products of two activations go there, all else to the arrays."""

from __future__ import annotations

import numpy as np

from objectives.hardware import Op, load_soc
from objectives.hardware.op import OpArrays
from objectives.hardware.parts.macro_cost import macro_cost

TILES = load_soc("u55-256-tiles8")
OPS = (
    Op("conv2d", 8, 8, 16, 32),
    Op("matmul", 64, 1, 16, 64, heads=4),
    Op("softmax", 64, 1, 64, 64, heads=4),
    Op("linear", 64, 1, 16, 32),
)
MACROS = np.array([8.0, 4.0, 2.0, 1.0])


def test_products_run_on_the_engine_and_all_else_on_the_arrays() -> None:
    assert TILES.cim is not None
    assert TILES.digital is not None
    ops = OpArrays.of(list(OPS))
    arrays = TILES.cim.cost(ops, MACROS, TILES.clock_mhz)
    engine = TILES.digital.cost(ops, MACROS, TILES.cim)
    got = macro_cost(TILES.cim, TILES.digital, ops, MACROS, TILES.clock_mhz)
    for name, column in vars(got).items():
        expected = [
            getattr(source, name)[place] for place, source in enumerate((arrays, engine, engine, arrays))
        ]
        assert column.tolist() == expected, name
    assert got.cycles[1] != arrays.cycles[1]


def test_without_an_engine_or_products_the_arrays_cost_what_they_do_alone() -> None:
    assert TILES.cim is not None
    for digital, chosen in ((None, OPS), (TILES.digital, (OPS[0], OPS[3]))):
        ops, macros = OpArrays.of(list(chosen)), MACROS[: len(chosen)]
        alone = TILES.cim.cost(ops, macros, TILES.clock_mhz)
        got = macro_cost(TILES.cim, digital, ops, macros, TILES.clock_mhz)
        for name, column in vars(got).items():
            assert column.tolist() == getattr(alone, name).tolist(), name
