"""Supernet: one set of weights that all subnets of a search space share."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from search_space.space import Space
from search_space.subnet import Head, Stem, Subnet, downsampled
from supernet.checkpoints.header import EPSILON
from supernet.checkpoints.image_input import CIFAR10_SCALE, PixelScale
from supernet.images.labelled_images import check_images, resized
from supernet.network.batch_norm import Normalisation, Site, by_batch
from supernet.network.elastic_layers import (
    ElasticBatchNorm,
    ElasticConv2d,
    ElasticLinear,
    activated_convolution,
    normalised_convolution,
)
from supernet.network.elastic_stage import ElasticStage
from supernet.network.residual import Residual, add


class Supernet(nn.Module):
    """Elastic network over `space`.

    Example:
        >>> import torch
        >>> from supernet import load
        >>> weights = load("cifar32")
        >>> subnet = weights.space.decode(weights.space.smallest())
        >>> with torch.inference_mode():
        ...     weights(torch.zeros(2, 3, subnet.resolution, subnet.resolution), subnet).shape
        torch.Size([2, 10])

    Args:
        space: Search space of its subnets.
        epsilon: Constant that batch norm adds to the variance.
        pixel_scale: Normalisation of the pixels of its images.
    """

    def __init__(
        self, space: Space, *, epsilon: float = EPSILON, pixel_scale: PixelScale = CIFAR10_SCALE
    ) -> None:
        super().__init__()
        self.space = space
        self.epsilon = epsilon
        self.pixel_scale = pixel_scale
        width = max(space.stem.width)
        side = downsampled(max(space.resolution), space.stem.stride)
        self.stem = ElasticConv2d(3, width, kernel=3, stride=space.stem.stride)
        self.stem_norm = ElasticBatchNorm(width)
        self.stages = nn.ModuleList()
        for options in space.stages:
            side = downsampled(side, options.stride)
            self.stages.append(ElasticStage(width, side=side, options=options))
            width = max(options.width)
        self.head = ElasticConv2d(width, space.head.width)
        self.head_norm = ElasticBatchNorm(space.head.width)
        self.classifier = ElasticLinear(space.head.width, space.head.classes)
        for module in self.modules():
            if isinstance(module, Site):
                module.epsilon = epsilon

    def forward(
        self,
        images: Tensor,
        subnet: Subnet,
        normalise: Normalisation = by_batch,
        residual: Residual = add,
    ) -> Tensor:
        """Class scores of `images` by `subnet`, computed in the images' dtype.

        Args:
            images: ``(n, 3, s, s)``, normalised; resized (bilinear, antialiased) where `s` is not the
                subnet's resolution.
            subnet: A member of the supernet's space.
            normalise: Source of the batch-norm statistics (default: the batch).
            residual: Joins a residual branch with its input (default: addition).

        Returns:
            Logits ``(n, classes)``.

        Raises:
            H4HError: `images` has another shape.
        """
        check_images(images)
        x = self.begin(resized(images, subnet.resolution), subnet.stem, normalise)
        for layer, stage in zip(self.stages, subnet.stages, strict=True):
            x = layer(x, stage, normalise, residual)
        return self.classify(x, subnet.head, normalise)

    def begin(self, images: Tensor, stem: Stem, normalise: Normalisation) -> Tensor:
        """``(n, 3, s, s)`` -> ``(n, width, ceil(s / stride), ceil(s / stride))``."""
        return activated_convolution(self.stem, self.stem_norm, images, stem.width, normalise)

    def classify(self, x: Tensor, head: Head, normalise: Normalisation) -> Tensor:
        """``(n, in_width, h, w)`` -> ``(n, classes)``."""
        # Not `activated_convolution`, which may hide a NaN: the class scores must show it.
        x = F.relu6(normalised_convolution(self.head, self.head_norm, x, head.width, normalise))
        logits: Tensor = self.classifier(x.mean((2, 3)), head.classes)
        return logits
