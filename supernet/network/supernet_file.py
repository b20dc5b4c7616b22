"""Supernet checkpoints: float16 safetensors files with the search space in the header."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from search_space.space import Space
from supernet.checkpoints.header import (
    FORMAT,
    CheckpointError,
    check_space,
    stored_epsilon,
    stored_space,
)
from supernet.checkpoints.image_input import ImageInput, resized_side, supernet_image_input
from supernet.checkpoints.tensor_file import read_tensors, write_tensors
from supernet.network.supernet import Supernet


def save_checkpoint(
    path: Path,
    supernet: Supernet,
    data: Mapping[str, str] | None = None,
    images: ImageInput | None = None,
) -> None:
    """Writes the weights in float16, with the search space in the header.

    Args:
        path: File to write.
        supernet: Supernet to write.
        data: Training data, as `supernet.images.data_sets.ImageData.recorded` describes it. A search on the
            same images then uses the same search split.
        images: How its images are prepared, and the names of its classes; by default as squares of the
            largest resolution of its space, without names. The supernet decides the normalisation of pixels.
    """
    side = max(supernet.space.resolution)
    images = (images or ImageInput(side, resized_side(side))).scaled(supernet.pixel_scale)
    tensors = {name: tensor.to(torch.float16) for name, tensor in supernet.state_dict().items()}
    header: dict[str, Any] = {
        "format": FORMAT,
        "space": supernet.space.to_dict(),
        "epsilon": supernet.epsilon,
        **images.to_header(),
    }
    if data is not None:
        header["data"] = dict(data)
    write_tensors(path, tensors, header)


def load_checkpoint(path: Path, space: Space | None = None) -> Supernet:
    """Reads the supernet of a checkpoint, weights in float32.

    Args:
        path: File that `save_checkpoint` wrote.
        space: Expected search space, or None for any.

    Raises:
        CheckpointError: The file is absent or damaged, holds values that are not finite, or has another
            space.
    """
    tensors, header = read_tensors(path, FORMAT)
    stored = stored_space(path)
    images = supernet_image_input(path)
    if space is not None:
        check_space(path, stored, space)
    supernet = Supernet(stored, epsilon=stored_epsilon(path, header), pixel_scale=images.pixel_scale)
    try:
        supernet.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except RuntimeError as error:
        raise CheckpointError(f"checkpoint {path} does not fit its own search space ({error})") from error
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"checkpoint {path}: {name} holds values that are not finite")
    return supernet
