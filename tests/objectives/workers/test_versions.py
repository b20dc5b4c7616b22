from __future__ import annotations

import platform

import pytest
import torch

from objectives.workers.versions import WorkerError, check_versions, versions


def test_what_computes_is_among_them() -> None:
    found = versions()
    assert found["Python"] == platform.python_version()
    assert found["torch"] == torch.__version__
    assert {"h4h-nas", "numpy", "distributed", "CPU kernels"} <= found.keys()


def test_equal_ones_are_taken() -> None:
    check_versions(versions(), {"tcp://a:1": versions(), "tcp://b:2": versions()})
    check_versions(versions(), {})


def test_each_difference_is_named() -> None:
    mine = {"Python": "3.11.7", "torch": "2.15.0", "numpy": "2.4.6"}
    other = {"Python": "3.12.1", "torch": "2.15.0"}
    with pytest.raises(WorkerError) as error:
        check_versions(mine, {"tcp://a:1": mine, "tcp://b:2": other})
    assert "tcp://b:2" in str(error.value)
    assert "Python 3.11.7 here, 3.12.1 there; numpy 2.4.6 here, absent there." in str(error.value)
    assert "torch" not in str(error.value)
