"""Epsilon of batch norm and normalisation of pixels belong to a checkpoint, and all its uses obey them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from search_space.space import Space
from supernet.accuracy import many_subnets, one_subnet
from supernet.accuracy.load_and_extract import extract
from supernet.checkpoints.header import CheckpointError, read_header
from supernet.checkpoints.image_input import PixelScale, stored_image_input
from supernet.checkpoints.tensor_file import read_tensors, write_tensors
from supernet.images.labelled_images import LabelledImages
from supernet.network.batch_norm import Folded
from supernet.network.embedding import embedded
from supernet.network.extraction import folded, load_extracted, save_extracted
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import load_checkpoint, save_checkpoint
from supernet.training.initial_weights import initial_supernet
from supernet.training.recipe import load_recipe
from supernet.training.supernet_trainer import Trainer

CPU = torch.device("cpu")
SCALE = PixelScale((0.5, 0.25, 0.125), (0.5, 1.0, 2.0))
EPSILON = 0.5
"""So large that the logits show a layer that does not obey."""
TOLERANCE = 1e-4


@pytest.fixture
def path(small_space: Space, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, Supernet(small_space, epsilon=EPSILON, pixel_scale=SCALE))
    return path


def test_images_are_normalised_by_the_scale() -> None:
    images = LabelledImages(
        torch.full((1, 3, 2, 2), 255, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64)
    )
    prepared = one_subnet.prepare(images, precision="fp32", device=CPU, scale=SCALE)
    ((batch, _),) = prepared.batches
    # (1 - 0.5) / 0.5, (1 - 0.25) / 1, (1 - 0.125) / 2
    assert batch[0, :, 0, 0].tolist() == [1.0, 0.75, 0.4375]


def test_every_form_of_a_network_computes_the_same(
    path: Path, four_classes: LabelledImages, tmp_path: Path
) -> None:
    supernet = load_checkpoint(path).eval()
    subnet = supernet.space.decode(supernet.space.largest())
    images = four_classes[:32]
    prepared = one_subnet.prepare(images, precision="fp32", device=CPU, scale=supernet.pixel_scale)
    statistics = one_subnet.record_statistics(supernet, subnet, prepared)
    ((batch, _),) = prepared.batches
    network = extract(supernet, subnet, images)
    save_extracted(tmp_path / "one.safetensors", network, space=supernet.space)
    loaded = load_extracted(tmp_path / "one.safetensors")
    again, own = embedded(loaded)
    assert (loaded.epsilon, loaded.pixel_scale, again.pixel_scale) == (EPSILON, SCALE, SCALE)
    assert stored_image_input(tmp_path / "one.safetensors").pixel_scale == SCALE
    with torch.inference_mode():
        expected = supernet(batch, subnet, statistics)
        mean, variance = statistics.statistics[supernet.stem_norm]
        stem = F.conv2d(batch, supernet.stem.weight, stride=supernet.stem.stride, padding=1)
        by_hand = (stem - mean.view(-1, 1, 1)) / (variance.view(-1, 1, 1) + 0.5).sqrt()
        torch.testing.assert_close(
            supernet.begin(batch, subnet.stem, statistics),
            by_hand.clamp(0, 6),
            rtol=TOLERANCE,
            atol=TOLERANCE,
        )
        forms = {
            "folded": supernet(batch, subnet, Folded(statistics.statistics)),
            "extracted": network(batch),
            "loaded": loaded(batch),
            "extracted and folded": folded(loaded)(batch),
            "embedded": again(batch, subnet, own),
            "embedded and folded": (lambda pair: pair[0](batch, subnet, pair[1]))(embedded(folded(loaded))),
        }
    for name, logits in forms.items():
        close = torch.isclose(logits, expected, rtol=TOLERANCE, atol=TOLERANCE)
        assert close.all(), name
    scores: list[torch.Tensor] = []
    for ready in (
        many_subnets.calibrate(supernet, [subnet], prepared, in_integers=True),
        many_subnets.calibrate(again, [subnet], prepared, in_integers=True, statistics=own),
    ):
        ready.scores(batch, lambda _branch, logits: scores.append(logits.clone()))
    torch.testing.assert_close(scores[0], scores[1], rtol=TOLERANCE, atol=TOLERANCE)
    assert (scores[0] - expected).std() < 0.5 * expected.std()


def test_a_training_takes_both_from_its_start(
    path: Path, small_space: Space, four_classes: LabelledImages, tmp_path: Path
) -> None:
    narrower = replace(small_space, name="narrower", resolution=small_space.resolution[-1:])
    supernet, _ = initial_supernet(narrower, path)
    assert (supernet.epsilon, supernet.pixel_scale) == (EPSILON, SCALE)
    trainer = Trainer(
        space=small_space, images=four_classes, recipe=load_recipe("joint"), device=CPU, start=path
    )
    white = torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
    images, _ = trainer._prepared(white, torch.zeros(1, dtype=torch.int64))
    assert images.float()[0, :, 0, 0].tolist() == [1.0, 0.75, 0.4375]
    save_checkpoint(tmp_path / "trained.safetensors", trainer.result)
    header = read_header(tmp_path / "trained.safetensors")
    assert (header["epsilon"], header["input"]["mean"]) == (EPSILON, list(SCALE.mean))


def test_a_teacher_of_another_scale_is_refused(path: Path, small_space: Space) -> None:
    teacher = load_checkpoint(path)
    assert initial_supernet(small_space, path, teacher)[1] == []
    with pytest.raises(CheckpointError, match=r"teacher's pixels have the mean \(0.5, 0.25, 0.125\)"):
        initial_supernet(small_space, None, teacher)


@pytest.mark.parametrize("epsilon", [0, 0.0, 1.0, "a", None, True])
def test_a_wrong_epsilon_is_refused(path: Path, epsilon: object) -> None:
    header = read_header(path)
    tensors, _ = read_tensors(path, header["format"])
    write_tensors(path, tensors, header | {"epsilon": epsilon})
    with pytest.raises(CheckpointError, match="epsilon of its batch norm must be above 0 and below 1"):
        load_checkpoint(path)
