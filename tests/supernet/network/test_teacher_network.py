"""Teacher network: whitening, shapes, file."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from supernet.checkpoints.header import CheckpointError
from supernet.checkpoints.tensor_file import read_tensors, write_tensors
from supernet.images.labelled_images import normalised
from supernet.network.teacher_network import (
    FORMAT,
    LEAST_SIDE,
    TeacherNetwork,
    load_teacher,
    save_teacher,
    whitening_kernels,
)


def blurred(count: int = 64, side: int = 32) -> torch.Tensor:
    """Images whose neighbouring pixels and channels agree, as in photographs; unit deviation or so."""
    noise = torch.randn(count, 1, side + 2, side + 2, generator=torch.Generator().manual_seed(0))
    smooth = F.avg_pool2d(noise, 3, stride=1) * 3
    channels = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))
    return smooth + 0.3 * channels


def network(classes: int = 10) -> TeacherNetwork:
    torch.manual_seed(0)
    return TeacherNetwork(classes, whitening_kernels(blurred())).eval()


def test_whitened_patches_have_the_identity_as_their_covariance() -> None:
    images = blurred()
    kernels = whitening_kernels(images)
    assert kernels.shape == (24, 3, 2, 2)
    assert torch.equal(kernels[12:], -kernels[:12])
    patches = F.conv2d(images, kernels[:12], stride=2).transpose(0, 1).flatten(1)
    covariance = patches @ patches.T / patches.shape[1]
    # The epsilon takes a little from the components of small variance.
    torch.testing.assert_close(covariance, torch.eye(12), rtol=0, atol=0.02)


def test_the_first_channels_start_as_copies() -> None:
    layer = network().get_submodule("groups.1.0")
    x = torch.randn(1, 64, 5, 5)
    torch.testing.assert_close(layer(x)[:, :64], x)


@pytest.mark.parametrize("side", [LEAST_SIDE + 1, 32, 64])
def test_any_square_gives_scores(side: int) -> None:
    assert network(7)(torch.randn(2, 3, side, side)).shape == (2, 7)


def test_its_size() -> None:
    """24 whitening biases, per group two convolutions and two batch norms, a classifier without bias."""
    widths = (24, 64, 256, 256)
    expected = 24 + 256 * 10
    for in_width, width in pairwise(widths):
        expected += 9 * in_width * width + 9 * width * width + 4 * width
    assert sum(parameter.numel() for parameter in network().parameters()) == expected
    assert round(expected / 1e6, 2) == 1.97


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    original = network()
    save_teacher(path, original, {"data": {"split": "a"}})
    loaded, header = load_teacher(path)
    images = normalised(torch.randint(256, (3, 3, 32, 32), dtype=torch.uint8), torch.float32)
    assert torch.equal(loaded(images), original(images))
    assert header["data"] == {"split": "a"}
    assert not loaded.training

    tensors, header = read_tensors(path, FORMAT)
    write_tensors(path, tensors, {**header, "classes": 4})
    with pytest.raises(CheckpointError, match="does not fit the teacher network"):
        load_teacher(path)
    tensors["classifier.weight"][0, 0] = float("nan")
    write_tensors(path, tensors, header)
    with pytest.raises(CheckpointError, match=r"classifier\.weight holds values that are not finite"):
        load_teacher(path)
