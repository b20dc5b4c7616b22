"""Limits under which a CPU with AVX-512 computes as one with AVX2 only, and what it computes under them.

torch, oneDNN and MKL read theirs; NumPy chooses its own kernels, and so does OpenBLAS.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from supernet.network.number_formats import is_bf16_native
from tests.warm_process import ROOT, completed

AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "OPENBLAS_CORETYPE": "Haswell",
}

needs_two_paths = pytest.mark.skipif(
    not is_bf16_native(torch.device("cpu")),
    reason="this CPU multiplies no bf16, or is limited: all tests take this path already",
)


def environment(limits: dict[str, str]) -> dict[str, str]:
    """This process's environment with `limits`, for a pytest or another command in it."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return own | limits


def output_of(module: str, *arguments: str, limits: dict[str, str]) -> str:
    """What `python -m module` prints under `limits`."""
    if not limits:  # Nothing that must be read while packages are imported.
        done = completed(["-m", module, *arguments], folder=ROOT, environment=os.environ)
        assert done.returncode == 0, done.stderr
        return done.stdout
    command = [sys.executable, "-W", "ignore", "-m", module, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment(limits)
    )
    return done.stdout
