from __future__ import annotations

import numpy as np

from objectives.hardware import load_soc

SOC = load_soc("u55-256-cim8")


def test_time_and_energy_in_closed_form() -> None:
    assert SOC.noc is not None
    moved = np.array([0.0, 1.0, 1000.0])
    np.testing.assert_allclose(SOC.noc.cycles(moved), [0, 2 * 3 + 1 / 8, 2 * 3 + 125])
    np.testing.assert_allclose(SOC.noc.energy_pj(moved), [0, 2 * 0.3, 2 * 0.3 * 1000])
