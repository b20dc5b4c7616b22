"""Teacher network for small images: six 3x3 convolutions behind a whitening layer.

Shape and initialisation follow the network with which K. Jordan reaches 94 % on CIFAR-10 in 3.6e14 operations
("94% on CIFAR-10 in 3.29 Seconds on a Single GPU", arXiv 2404.00498): the first layer whitens 2x2 patches
and is never trained, convolutions start as partial identities, and the last scores are divided by 9.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from supernet.checkpoints.header import CheckpointError
from supernet.checkpoints.image_input import CIFAR10_SCALE, PixelScale
from supernet.checkpoints.tensor_file import read_tensors, write_tensors
from supernet.images.labelled_images import check_images
from supernet.network.dense_convolution import DenseConvolution

FORMAT = "h4h-teacher-1"

WIDTHS = (64, 256, 256)
"""Output channels of the three groups."""

PATCH = 2
"""Side of the patches that the first layer whitens."""

WHITENING_EPSILON = 5e-4
"""Added to the variance of each principal component, for images normalised to unit deviation."""

SCORE_SCALE = 1 / 9
LEAST_SIDE = 2**3 * 2
"""Smallest image: the three poolings must leave at least one position."""


class TeacherNetwork(nn.Module):
    """A convolutional network of 1.97 million weights.

    Args:
        classes: Number of classes.
        whitening: Kernels of the first layer, ``(filters, 3, 2, 2)`` (`whitening_kernels`).
    """

    whitening: Tensor
    pixel_scale: ClassVar[PixelScale] = CIFAR10_SCALE

    def __init__(self, classes: int, whitening: Tensor) -> None:
        super().__init__()
        self.classes = classes
        self.register_buffer("whitening", whitening)
        width = len(whitening)
        self.whitening_bias = nn.Parameter(torch.zeros(width))
        groups = []
        for out_width in WIDTHS:
            groups.append(_group(width, out_width))
            width = out_width
        self.groups = nn.Sequential(*groups)
        self.classifier = nn.Linear(width, classes, bias=False)

    @property
    def digest(self) -> str:
        """Identifies the shape of the network."""
        return f"teacher network {'-'.join(map(str, WIDTHS))}"

    @property
    def title(self) -> str:
        """Name of the network in messages."""
        return self.digest

    def forward(self, images: Tensor) -> Tensor:
        """``(n, 3, s, s)``, normalised, `s` at least 16 -> class scores ``(n, classes)``."""
        check_images(images)
        x = F.gelu(F.conv2d(images, self.whitening.to(images.dtype), self.whitening_bias.to(images.dtype)))
        x = self.groups(x).amax((2, 3))
        scores: Tensor = self.classifier(x)
        return scores * SCORE_SCALE


def _group(in_width: int, width: int) -> nn.Sequential:
    """``(n, in_width, h, w)`` -> ``(n, width, h // 2, w // 2)``."""
    return nn.Sequential(
        _convolution(in_width, width),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(width),
        nn.GELU(),
        _convolution(width, width),
        nn.BatchNorm2d(width),
        nn.GELU(),
    )


def _convolution(in_width: int, width: int) -> DenseConvolution:
    convolution = DenseConvolution(in_width, width)
    # The first output channels start as copies of the input channels.
    nn.init.dirac_(convolution.weight.data[:in_width])
    in_channels_last: DenseConvolution = convolution.to(memory_format=torch.channels_last)
    return in_channels_last


def whitening_kernels(images: Tensor) -> Tensor:
    """Kernels that turn 2x2 patches into uncorrelated components of unit variance, each with both signs.

    Args:
        images: ``(n, 3, s, s)``, normalised, float32.

    Returns:
        ``(24, 3, 2, 2)``, float32: principal components by falling variance, then their negatives.
    """
    patches = F.unfold(images, PATCH, stride=PATCH).transpose(1, 2).flatten(0, 1).double()  # (patches, 12)
    covariance = patches.T @ patches / len(patches)
    variances, vectors = torch.linalg.eigh(covariance)
    kernels = (vectors / (variances + WHITENING_EPSILON).sqrt()).T.flip(0)
    # A component's sign is arbitrary; fix it so that equal images give equal kernels everywhere.
    largest = kernels.abs().argmax(1, keepdim=True)
    kernels = (kernels * kernels.gather(1, largest).sign()).view(-1, images.shape[1], PATCH, PATCH)
    return torch.cat([kernels, -kernels]).float()


def save_teacher(path: Path, network: TeacherNetwork, header: dict[str, Any]) -> None:
    """Writes weights and running statistics in float32, whole or not at all.

    Args:
        path: File to write.
        network: Network to write.
        header: Further entries of the header, such as the training images under ``data``.
    """
    write_tensors(path, network.state_dict(), {"format": FORMAT, "classes": network.classes, **header})


def load_teacher(path: Path) -> tuple[TeacherNetwork, dict[str, Any]]:
    """The network of a file that `save_teacher` wrote, in evaluation mode, and the file's header.

    Raises:
        CheckpointError: The file is absent, damaged, not finite, or holds no teacher network.
    """
    tensors, header = read_tensors(path, FORMAT)
    try:
        network = TeacherNetwork(int(header["classes"]), tensors["whitening"])
        network.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"checkpoint {path} does not fit the teacher network ({error})") from error
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"checkpoint {path}: {name} holds values that are not finite")
    return network.eval(), header
