"""Dry run: speeds by hand, and that it measures what a training would do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from search_space.command.progress_lines import duration_text
from search_space.space import Space
from supernet.images.labelled_images import LabelledImages
from supernet.training.dry_run import (
    PhaseSpeed,
    measured_phases,
    peak_memory,
    speed_summary,
)
from supernet.training.epoch_result import EpochResult
from supernet.training.recipe import load_recipe
from supernet.training.search_score import SearchScore
from supernet.training.supernet_trainer import Trainer

CPU = torch.device("cpu")
RECIPE = replace(load_recipe("two_phase"), batch=8, precision="fp32").with_phases(epochs=[2, 3])


def trainer(space: Space, images: LabelledImages) -> Trainer:
    return Trainer(space=space, images=images, recipe=RECIPE, device=CPU)


class Steps:
    """Steps of an epoch that take stated times, in place of training; a clock that they move."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, seconds: dict[str, list[float]], score_s: float
    ) -> None:
        self.now = 0.0
        self.done: list[tuple[str, int]] = []

        def train_epoch(training: Trainer, on_check: object) -> None:
            times = seconds[training.phase.name]
            for number, step_s in enumerate(times, start=1):
                self.now += step_s
                self.done.append((training.phase.name, number))
                if number < len(times):
                    on_check(EpochResult(number, {}, {}))  # type: ignore[operator]

        def accuracies(*_: object) -> dict[str, float]:
            self.now += score_s
            return {}

        monkeypatch.setattr(Trainer, "train_epoch", train_epoch)
        monkeypatch.setattr(SearchScore, "accuracies", accuracies)
        monkeypatch.setattr(Trainer, "steps_per_epoch", 10)

    def clock(self) -> float:
        return self.now


def test_speeds_by_hand(
    monkeypatch: pytest.MonkeyPatch, small_space: Space, four_classes: LabelledImages
) -> None:
    training = trainer(small_space, four_classes)
    score = SearchScore(four_classes, four_classes, CPU)
    steps = Steps(monkeypatch, {"cnn": [90.0] + [2.0] * 9, "hybrid": [50.0] + [4.0] * 9}, score_s=5.0)
    cnn, hybrid = measured_phases(training, score, least_s=6.0, clock=steps.clock)
    # The slow first step does not count. Three steps of 2 s are enough, and two of 4 s.
    assert (cnn.images_per_s, cnn.epoch_s, cnn.left_s) == (8 / 2, 10 * 2 + 5, 2 * 25)
    assert (hybrid.images_per_s, hybrid.epoch_s, hybrid.left_s) == (8 / 4, 10 * 4 + 5, 3 * 45)
    assert steps.done == [*(("cnn", number) for number in (1, 2, 3, 4)), *(("hybrid", n) for n in (1, 2, 3))]


def test_whole_rounds_of_the_largest_subnet_are_measured(
    monkeypatch: pytest.MonkeyPatch, small_space: Space, four_classes: LabelledImages
) -> None:
    recipe = replace(RECIPE, ema=0.9).with_phases(largest_every=[3])
    training = Trainer(space=small_space, images=four_classes, recipe=recipe, device=CPU)
    rounds = [9.0, 1.0, 1.0, 7.0, 1.0, 1.0, 7.0, 1.0, 1.0, 7.0]
    steps = Steps(monkeypatch, {"cnn": rounds, "hybrid": rounds}, score_s=0.0)
    score = SearchScore(four_classes, four_classes, CPU)
    speed, _ = measured_phases(training, score, least_s=8.0, clock=steps.clock)
    assert speed.images_per_s == 8 / 3  # 9 s for three steps


def test_a_resumed_training_has_less_left_and_a_short_epoch_is_measured_whole(
    monkeypatch: pytest.MonkeyPatch, small_space: Space, four_classes: LabelledImages
) -> None:
    training = trainer(small_space, four_classes)
    training.epochs_done = 3
    steps = Steps(monkeypatch, {"hybrid": [30.0]}, score_s=0.0)
    monkeypatch.setattr(Trainer, "steps_per_epoch", 1)
    score = SearchScore(four_classes, four_classes, CPU)
    (speed,) = measured_phases(training, score, clock=steps.clock)
    assert (speed.phase.name, speed.epochs_left, speed.epoch_s, speed.left_s) == ("hybrid", 2, 30, 60)
    assert speed_summary([speed, speed], CPU).startswith(
        "time to the end at this speed: 0:02:00; peak memory"
    )


def test_durations_and_memory() -> None:
    assert duration_text(59.6) == "0:01:00"
    assert duration_text(100_000) == "1 day, 3:46:40"
    peak = peak_memory(CPU)
    assert peak is not None
    assert 50e6 < peak < 1e12
    assert PhaseSpeed(RECIPE.phases[0], 2, 10.0, 7.5).left_s == 15
