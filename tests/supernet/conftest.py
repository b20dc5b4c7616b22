"""A small space and images that a CNN can tell apart, for tests that train or evaluate."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
import yaml

from search_space.files.yaml_document import parse_document
from search_space.space import Space
from supernet.images.labelled_images import LabelledImages

SMALL = """
name: small
resolution: [12, 16]
stem: {stride: 1, width: [8, 16]}
stages:
  - stride: 2
    width: [8, 16]
    downsampling: {kind: [mbconv, patch_merging], kernel: [3, 5], expansion: [1, 2]}
    conv_depth: [0, 1]
    conv: {kernel: [3, 5], expansion: [2, 3]}
    vit_depth: [0, 1]
    vit: {heads: [1, 2], head_dim: 8, mlp_ratio: [1, 2]}
  - stride: 2
    width: [16, 24]
    downsampling: {kind: [mbconv, patch_merging], kernel: [3, 5], expansion: [1, 2]}
    conv_depth: [0, 1]
    conv: {kernel: [3, 5], expansion: [2, 3]}
    vit_depth: [0, 1, 2]
    vit: {heads: [1, 2], head_dim: 8, mlp_ratio: [1, 2]}
head: {width: 32, classes: 4}
"""


@pytest.fixture(scope="session")
def small_space() -> Space:
    data: dict[str, Any] = yaml.safe_load(SMALL)
    return parse_document(Space, data, source="small")


@pytest.fixture(scope="session")
def small_text(small_space: Space) -> str:
    """The same space as JSON, for another process."""
    return json.dumps(small_space.to_dict())


@pytest.fixture(scope="session")
def four_classes() -> LabelledImages:
    """256 noisy images whose class is the quadrant that is bright."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(256) % 4
    pixels = torch.randint(0, 120, (256, 3, 16, 16), generator=generator, dtype=torch.uint8)
    for index, label in enumerate(labels.tolist()):
        top, left = divmod(label, 2)
        pixels[index, :, 8 * top : 8 * top + 8, 8 * left : 8 * left + 8] += 100
    return LabelledImages(pixels, labels)
