"""The benchmark of models that are read or refused."""

from __future__ import annotations

import pytest

from benchmarks.supernet import torch_models
from benchmarks.supernet.torch_models import Candidate, outcome
from tests.command import Command
from tests.supernet.torch_models.trained_models import BLOCKS


def test_a_model_is_read_and_another_refused() -> None:
    options = {"width_mult": 0.35, "inverted_residual_setting": BLOCKS}
    read = outcome(Candidate("torchvision:mobilenet_v2", options, side=32))
    assert read == (True, "6 blocks, 26 genes, equal to the bit")
    pytest.importorskip("timm")
    is_read, reason = outcome(Candidate("timm:tf_mobilenetv3_small_minimal_100", side=32))
    assert not is_read
    assert reason.startswith("conv_stem: pad has no counterpart")


def test_names_of_candidates(command: Command) -> None:
    code, _, err = command(torch_models.main, "--models", "alexnet")
    assert code == 2
    assert "--models must be part of a name, but got 'alexnet'; the names: torchvision:mobilenet_v2" in err
    titles = [candidate.title for candidate in torch_models.CANDIDATES]
    assert len(titles) == len(set(titles)) == 16
