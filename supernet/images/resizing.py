"""Images at a network's own resolution."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def resized(images: Tensor, side: int) -> Tensor:
    """``(n, c, s, s)`` -> ``(n, c, side, side)``, bilinear with antialiasing."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(
        images.float(), (side, side), mode="bilinear", antialias=True, align_corners=False
    ).to(images.dtype)
