"""Where batch norm's statistics come from."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from search_space.errors import H4HError
from supernet.network.batch_norm import Recording, by_batch
from supernet.network.elastic_layers import ElasticBatchNorm


def test_recorded_statistics_of_one_batch_reproduce_that_batch() -> None:
    layer = ElasticBatchNorm(8)
    x = torch.randn(64, 8, 5, 5) * 3 + 1
    recording = Recording()
    trained = layer(x, recording)
    torch.testing.assert_close(trained, layer(x, by_batch))
    # The batch normalises by the biased variance, evaluation by the unbiased one, as in torch.
    torch.testing.assert_close(layer(x, recording.result()), trained, rtol=1e-3, atol=1e-3)


def test_statistics_are_averages_over_all_images_whatever_the_batches() -> None:
    layer = ElasticBatchNorm(4)
    x = torch.randn(48, 4, 3, 3, dtype=torch.float32)
    recording = Recording()
    sizes = [16, 24, 8]
    for part in torch.split(x, sizes):
        layer(part, recording)
    mean, variance = recording.result().statistics[layer]
    torch.testing.assert_close(mean, x.mean((0, 2, 3)))
    by_hand = sum(
        size * part.var((0, 2, 3), unbiased=True)
        for size, part in zip(sizes, torch.split(x, sizes), strict=True)
    )
    torch.testing.assert_close(variance, by_hand / 48)


def test_each_layer_has_its_own_statistics() -> None:
    first, second = ElasticBatchNorm(4), ElasticBatchNorm(4)
    recording = Recording()
    x = torch.randn(32, 4, 2, 2)
    first(x, recording)
    second(x + 5, recording)
    statistics = recording.result().statistics
    torch.testing.assert_close(statistics[second][0], statistics[first][0] + 5)
    assert all(isinstance(site, nn.Module) for site in statistics)


def test_one_value_of_a_channel_has_no_variance() -> None:
    layer = ElasticBatchNorm(4)
    with pytest.raises(H4HError, match=r"--calibration-images\) that is not 1 above a multiple of 256"):
        layer(torch.randn(1, 4, 1, 1), Recording())
    assert layer(torch.randn(1, 4, 2, 1), Recording()).isfinite().all()
