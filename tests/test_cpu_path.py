"""The path of CPUs without AVX-512, on a machine with it: tests, and values on both paths."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.cpu_path import AVX2, environment, needs_two_paths, output_of
from tests.supernet.counts_run import IMAGES
from tests.warm_process import ROOT

MOST_IMAGES = 3
"""Of `IMAGES`: by how many right answers a subnet's counts may differ between the paths, as sums round."""

FILES = (
    "tests/objectives/test_accuracy_objective.py",
    "tests/studies/samplers/test_expected_gain.py",
    "tests/studies/samplers/test_gaussian_process.py",
    "tests/studies/search/test_racing_bound.py",
    "tests/studies/search/test_racing.py",
    "tests/studies/study/test_fingerprint.py",
    "tests/supernet/accuracy/test_int8_grids.py",
    "tests/supernet/accuracy/test_int8_network.py",
    "tests/supernet/accuracy/test_many_subnets.py",
    "tests/supernet/accuracy/test_memory_budget.py",
    "tests/supernet/accuracy/test_one_subnet.py",
    "tests/supernet/network/test_cpu_kernels.py",
    "tests/supernet/network/test_elastic_layers.py",
    "tests/supernet/network/test_number_formats.py",
    "tests/supernet/training/test_single_network_trainer.py",
    "tests/supernet/training/test_supernet_trainer.py",
)
"""What is run under the limits: what the kernels of a CPU decide, or what decides with them."""
TESTS = (
    "not (test_accuracy_objective or test_supernet_trainer) "
    "or memory or batch or learned or same_bits or finite"
)
"""Which of their tests: those of two files whose names say one of these words, and all others."""


@pytest.mark.slow
@pytest.mark.timeout(900)
@needs_two_paths
def test_it_passes_without_avx512() -> None:
    # In one process, since each takes seconds to import what it needs.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [*command, "-o", "addopts=--import-mode=importlib --strict-markers", *FILES, "-k", TESTS],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment(AVX2),
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


@pytest.mark.slow
@needs_two_paths
def test_counts_of_right_answers_in_fp32_are_nearly_the_same() -> None:
    native, limited = (
        json.loads(output_of("tests.supernet.counts_run", limits=limits)) for limits in ({}, AVX2)
    )
    assert (native["capability"], limited["capability"]) == ("AVX512", "AVX2")
    assert len(native["right"]) == len(limited["right"]) == 6
    for first, second in zip(native["right"], limited["right"], strict=True):
        assert abs(first - second) <= MOST_IMAGES
    # Classes are told apart at all, so that a path that answers at random is seen.
    assert max(native["right"]) > 0.8 * IMAGES
