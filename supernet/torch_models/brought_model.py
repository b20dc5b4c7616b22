"""A trained torch model as a search space and a supernet, with the proof that nothing was lost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.files.whole_file import whole_file
from search_space.space import Space
from supernet.checkpoints.image_input import ImageInput, PixelScale, check_scale, resized_side
from supernet.images.labelled_images import normalised
from supernet.network.batch_norm import Recorded
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import save_checkpoint
from supernet.torch_models.filled_supernet import filled_supernet, sorted_tensors
from supernet.torch_models.model_graph import IMAGES, ModelError, trace
from supernet.torch_models.model_reader import read_model
from supernet.torch_models.offered_space import offered_space, space_text
from supernet.torch_models.proof import Proof, prove

SPACE = "space.yaml"
CHECKPOINT = "checkpoint.safetensors"

COLOURED_AREAS = 3
"""Random colours along each side of a random image, with smooth transitions."""
NOISE = 0.3
"""Share of independent noise in each pixel of a random image."""


@dataclass(frozen=True)
class BroughtModel:
    """A torch model as a supernet.

    Attributes:
        supernet: Supernet whose largest subnet is the model; hidden channels sorted by importance.
        statistics: The model's own batch-norm statistics, for the largest subnet.
        unsorted: Supernet and statistics with the hidden channels in the model's order.
        proof: Differences between the largest subnet and the model.
    """

    supernet: Supernet
    statistics: Recorded
    unsorted: tuple[Supernet, Recorded]
    proof: Proof

    @property
    def space(self) -> Space:
        """The search space, whose largest network is the model."""
        return self.supernet.space

    def save(self, folder: Path | str, class_names: tuple[str, ...] = ()) -> Path:
        """Writes `space.yaml` and `checkpoint.safetensors` (float16), each whole or not at all.

        Args:
            folder: Folder for both files; made if it is absent.
            class_names: Names of the classes in the order of the scores; none if they are unknown.

        Returns:
            File of the checkpoint.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        side = max(self.space.resolution)
        images = ImageInput(side, resized_side(side), class_names)
        with whole_file(folder / SPACE) as temporary:
            temporary.write_text(space_text(self.space), encoding="utf-8")
        save_checkpoint(folder / CHECKPOINT, self.supernet, None, images)
        return folder / CHECKPOINT


def from_torch(
    model: nn.Module,
    *,
    side: int,
    mean: tuple[float, float, float],
    deviation: tuple[float, float, float],
    name: str = "brought",
) -> BroughtModel:
    """A trained torch model as a search space and a supernet. Its largest subnet is the model.

    The model must be a chain of a 3x3 stem, inverted bottlenecks with ReLU6 and a 1x1 head, such as
    torchvision's `mobilenet_v2` or timm's `efficientnet_lite0`. The model does not change.

    Example:
        >>> import torch
        >>> from torchvision.models import MobileNetV2
        >>> from supernet import from_torch
        >>> blocks = [[1, 16, 1, 1], [3, 24, 2, 2]]
        >>> model = MobileNetV2(num_classes=10, width_mult=0.5, inverted_residual_setting=blocks)
        >>> for module in model.modules():
        ...     if isinstance(module, torch.nn.BatchNorm2d):
        ...         _ = torch.nn.init.uniform_(module.weight)  # as if it were trained
        >>> mine = from_torch(model, side=32, mean=(0.5, 0.5, 0.5), deviation=(0.5, 0.5, 0.5))
        >>> print(mine.space.decode(mine.space.largest()))
        32px stem16 | 8:mb3x1 | 16:mb3x3 mb3x3
        >>> mine.proof.sorted_gap.relative < 1e-4
        True

    Args:
        model: Model on the CPU in float32, which takes images ``(n, 3, side, side)`` to class scores.
        side: Side of its images in pixels, a multiple of 4.
        mean: Mean of each channel that was subtracted from its pixels, in units of 255.
        deviation: Standard deviation of each channel by which they were divided, in units of 255.
        name: Name of the search space.

    Raises:
        H4HError: The model cannot be traced, or it has a layer that our networks lack. The message names it.
    """
    scale = PixelScale(mean, deviation)
    check_scale(scale)
    if not isinstance(model, nn.Module):
        raise ModelError(f"model must be a torch.nn.Module, but is a {type(model).__name__}")
    if isinstance(side, bool) or not isinstance(side, int) or side < 8 or side % 4:
        raise ModelError(f"side must be a multiple of 4 from 8 on, but got {side!r}")
    graph = trace(model, side)
    read = read_model(graph, side)
    space = offered_space(read.subnet, name)
    unsorted = filled_supernet(read.subnet, read.tensors, read.epsilon, space, scale)
    by_importance = filled_supernet(read.subnet, sorted_tensors(read), read.epsilon, space, scale)
    proof = prove(model, graph, read, unsorted, by_importance, _random_images(side, scale))
    return BroughtModel(*by_importance, unsorted, proof)


def _random_images(side: int, scale: PixelScale) -> Tensor:
    """Random images with areas of different colours, since a network scores all plain noise alike."""
    generator = torch.Generator().manual_seed(1)
    areas = torch.rand(IMAGES, 3, COLOURED_AREAS, COLOURED_AREAS, generator=generator)
    noise = torch.rand(IMAGES, 3, side, side, generator=generator)
    mixed = F.interpolate(areas, (side, side), mode="bilinear", align_corners=True).lerp(noise, NOISE)
    pixels = (255 * mixed).to(torch.uint8)
    # Contiguous, as the model was traced: other layouts may use kernels that round otherwise.
    return normalised(pixels, torch.float32, scale).contiguous()
