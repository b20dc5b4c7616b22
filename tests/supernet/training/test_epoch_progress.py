"""Progress of an epoch, and its score on search images."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import pytest
import torch
from rich.console import Console

from search_space.command.progress_lines import Pace
from search_space.space import Space
from supernet.accuracy import one_subnet
from supernet.images.labelled_images import LabelledImages
from supernet.network.supernet import Supernet
from supernet.training import epoch_progress as module
from supernet.training.epoch_progress import epoch_progress
from supernet.training.phases import Phase
from supernet.training.search_score import SearchScore


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], str]]:
    """Receives the functions that give the current line; no thread prints them."""
    found: list[Callable[[], str]] = []

    class Lines:
        def __init__(self, console: Console, text: Callable[[], str]) -> None:
            found.append(text)

        def __enter__(self) -> None: ...

        def __exit__(self, *error: object) -> None: ...

    monkeypatch.setattr(module, "ProgressLines", Lines)
    return found


def test_line_of_an_epoch(texts: list[Callable[[], str]], monkeypatch: pytest.MonkeyPatch) -> None:
    time = [0.0]
    monkeypatch.setattr(module, "Pace", partial(Pace, clock=lambda: time[0]))
    console = Console(file=io.StringIO())
    with epoch_progress(console, "epoch 2/4 (cnn)", steps=100, done=40, later=2) as show:
        assert texts[0]() == "epoch 2/4 (cnn): step 40 of 100, time left unknown, in all unknown"
        time[0] = 20.0
        show(50, "loss 1.234")
        # 2 s a step: 50 steps of this epoch, and 200 of the others.
        assert texts[0]() == "epoch 2/4 (cnn): step 50 of 100, loss 1.234, time left 0:01:40, in all 0:08:20"
    with epoch_progress(console, "epoch 4/4", steps=3) as show:
        assert texts[1]() == "epoch 4/4: step 0 of 3, time left unknown"


def test_terminal_has_a_bar(texts: list[Callable[[], str]]) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with epoch_progress(console, "epoch 1/1", steps=2) as show:
        show(1, "loss 0.5")
    assert not texts
    assert "epoch 1/1" in console.file.getvalue()  # type: ignore[attr-defined]


def test_epoch_is_scored_by_the_ends_of_its_phase(small_space: Space, four_classes: LabelledImages) -> None:
    torch.manual_seed(0)
    supernet = Supernet(small_space)
    device = torch.device("cpu")
    score = SearchScore(four_classes[:50], four_classes[50:100], device)
    found = score.accuracies(supernet, small_space, Phase("cnn", 1, 0.1, 2, vit=False))
    calibration = one_subnet.prepare(four_classes[50:100], precision="fp32", device=device)
    images = one_subnet.prepare(four_classes[:50], precision="fp32", device=device)
    assert list(found) == ["largest", "smallest"]
    # The largest network of this phase has no transformer block.
    largest, smallest = (
        small_space.decode(genotype) for genotype in (_without_vit(small_space), small_space.smallest())
    )
    for kind, subnet in (("largest", largest), ("smallest", smallest)):
        statistics = one_subnet.record_statistics(supernet, subnet, calibration)
        assert found[kind] == one_subnet.top1(supernet, subnet, images, statistics)


def _without_vit(space: Space) -> tuple[int, ...]:
    genotype = list(space.largest())
    for position, gene in enumerate(space.genes):
        if "vit_depth" in gene.name:
            genotype[position] = 0
    return space.canonical(tuple(genotype))
