"""Training of one plain network, such as a subnet extracted from a supernet, with exact resume.

Everything random in an epoch follows from the seed and the number of the epoch (see `exact_state`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_space.errors import H4HError
from supernet.accuracy.class_figures import ClassFigures, confusion
from supernet.images.labelled_images import Images, normalised
from supernet.network.number_formats import PRECISIONS, resolve_precision
from supernet.network.plain_network import PlainNetwork, with_fast_backward
from supernet.network.teacher_network import TeacherNetwork
from supernet.training.augmentation import mixing
from supernet.training.batches import Draw, make_batches, torch_seed
from supernet.training.class_weights import class_weights
from supernet.training.distributed import World
from supernet.training.exact_state import PLAIN_STATE, ExactState, Progress
from supernet.training.learning_rate import learning_rate
from supernet.training.optimizer import make_optimizer, set_rate
from supernet.training.phases import Phase
from supernet.training.recipe import Recipe, default_settings
from supernet.training.soft_labels import SoftLabels, check_targets

PHASE = "fine-tuning"

NOT_USED = ("accumulate", "distillation", "conflict", "drop_path", "ema", "fit", "batch_norm")
"""Settings of a recipe that only apply to supernets or to large trainings, or that the supernet decides."""


def make_recipe(*, epochs: int, rate: float, **settings: Any) -> Recipe:
    """A recipe of one phase.

    Args:
        epochs: Number of passes over the images, at least 1.
        rate: Peak learning rate.
        settings: Other settings of `Recipe`, except those in `NOT_USED`.

    Raises:
        H4HError: A value is out of range.
    """
    return Recipe(phases=(Phase(PHASE, epochs, rate, random_subnets=0),), **settings)


@dataclass(frozen=True)
class EpochScore:
    """Mean over the augmented training batches of an epoch, during training.

    Attributes:
        loss: Cross-entropy in nats.
        accuracy: Top-1 accuracy in %. For a mixed image, the class of the larger part counts.
    """

    loss: float
    accuracy: float


class FineTuning:
    """Training of a single network: an extracted subnet or a teacher.

    Args:
        network: The network. It is trained in place, on CPUs with the kernels of `with_fast_backward`.
        images: Training images.
        recipe: Recipe of one phase (`make_recipe`).
        device: Device of the training.
        origin: Name of the source of the initial weights, e.g. a checkpoint's digest. A state of another
            origin is refused.
        workers: Number of processes that read images on disk.
        soft_labels: Targets in place of the labels, already checked against `images` and the recipe's
            augmentation.

    Raises:
        H4HError: There are fewer images than a batch has.
    """

    def __init__(
        self,
        *,
        network: PlainNetwork | TeacherNetwork,
        images: Images,
        recipe: Recipe,
        device: torch.device,
        origin: str,
        workers: int = 0,
        soft_labels: SoftLabels | None = None,
    ) -> None:
        self.recipe = replace(recipe, precision=resolve_precision(recipe.precision, device))
        self._has_auto_precision = recipe.precision == "auto"
        self.device = device
        self.epochs_done = 0
        self.earlier_ends: tuple[int, ...] = ()
        """Numbers of epochs at which the training was finished before its epochs were raised."""
        self._origin = origin
        self._batches = make_batches(
            images, self.recipe, device=device, world=World(), workers=workers, soft_labels=soft_labels
        )
        self._soft_labels = soft_labels
        self._mixing = mixing(recipe, network.classes)
        check_targets(recipe, None, soft_labels)
        weights = class_weights(recipe.class_weights, images.labels, network.classes)
        self._class_weights = None if weights is None else weights.to(device)
        self.network = with_fast_backward(network).to(device)
        self.optimizer = make_optimizer(
            recipe.optimizer,
            self.network.named_parameters(),
            weight_decay=recipe.weight_decay,
            momentum=recipe.momentum,
        )

    @property
    def is_finished(self) -> bool:
        return self.epochs_done >= self.recipe.epochs

    @property
    def steps_per_epoch(self) -> int:
        return self._batches.steps_per_epoch

    def train_epoch(self, on_step: Callable[[int, str], None] | None = None) -> EpochScore:
        """Trains on all training images once.

        Args:
            on_step: Called after each step with the number of finished steps and the score so far.

        Raises:
            H4HError: The loss or its gradient is not finite. The message names epoch and step, and the
                weights are those before the step.
        """
        (phase,) = self.recipe.phases
        self.network.train()
        loss_sum, right, seen = 0.0, 0, 0
        for step, parts in enumerate(self._batches.epoch(self.epochs_done, 0)):
            torch.manual_seed(torch_seed(Draw.STEP, self.recipe.seed, self.epochs_done, step))
            rate = learning_rate(
                phase,
                self.epochs_done + step / self.steps_per_epoch,
                warm_up_epochs=self.recipe.warm_up_epochs,
                schedule=self.recipe.schedule,
            )
            set_rate(self.optimizer, phase, rate)
            ((pixels, labels),) = parts
            loss, hits = self._step(pixels, labels, number=step + 1)
            loss_sum, right, seen = loss_sum + loss * len(labels), right + hits, seen + len(labels)
            if on_step is not None:
                on_step(step + 1, f"loss {loss_sum / seen:.3f}  train top-1 {100 * right / seen:.1f} %")
        self.epochs_done += 1
        return EpochScore(loss=loss_sum / seen, accuracy=100 * right / seen)

    def _step(self, pixels: Tensor, labels: Tensor, *, number: int) -> tuple[float, int]:
        """Loss in nats, and number of correctly classified images."""
        dtype = PRECISIONS[self.recipe.precision]
        images, targets = normalised(pixels, dtype, self.network.pixel_scale), labels
        if self._mixing is not None:
            images, targets = self._mixing(images, targets)
            images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, dtype, enabled=dtype is not torch.float32):
            logits = self.network(images)
        logits = logits.float()
        # A teacher's labels are soft already.
        smoothing = self.recipe.label_smoothing if self._soft_labels is None else 0.0
        loss = F.cross_entropy(logits, targets, self._class_weights, label_smoothing=smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip or math.inf)
        if not (math.isfinite(loss.item()) and math.isfinite(norm.item())):
            raise H4HError(
                f"the loss or its gradient became infinite or NaN in epoch {self.epochs_done + 1}, "
                f"step {number} (the result of the {self.epochs_done} epochs before it is kept): "
                f"lower the learning rate"
            )
        self.optimizer.step()
        hardest = targets if targets.ndim == 1 else targets.argmax(1)
        return loss.item(), int((logits.argmax(1) == hardest).sum())

    # --- state -----------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Writes the state from which `load` resumes."""
        self._state().save(path, Progress(self.epochs_done, earlier_ends=self.earlier_ends))

    def load(self, path: Path) -> None:
        """Resumes from a state that `save` wrote; with precision ``auto``, in the precision of that state.

        If the state is that of a finished training with fewer epochs, the training continues. The learning
        rate of the added epochs follows the schedule of the larger number.

        Raises:
            CheckpointError: The file is absent or damaged.
            OtherTrainingError: Its settings or network differ; the message names each difference.
        """
        if self._has_auto_precision:
            # ``auto`` means the precision in which the training began, perhaps on another machine.
            stored = self._state().stored_settings(path)
            self.recipe = replace(self.recipe, precision=stored.get("precision", self.recipe.precision))
        progress = self._state().load(path)
        self.epochs_done, self.earlier_ends = progress.epochs_done, progress.earlier_ends

    def _state(self) -> ExactState:
        recipe = self.recipe.to_dict()
        (phase,) = recipe.pop("phases")
        settings = {
            **{name: value for name, value in recipe.items() if name not in NOT_USED},
            "epochs": phase["epochs"],
            "rate": phase["rate"],
            "network": f"{self.network.digest} of {self._origin}",
        }
        if self._soft_labels is not None:
            settings["soft labels"] = self._soft_labels.digest
        defaults = default_settings(self.recipe)
        return ExactState(PLAIN_STATE, settings, defaults, self.network, self.optimizer)


@torch.inference_mode()
def network_figures(
    network: PlainNetwork | TeacherNetwork, batches: Iterable[tuple[Tensor, Tensor]]
) -> ClassFigures:
    """Figures by class of `network` with its running statistics.

    Args:
        network: The network. It is in evaluation mode afterwards.
        batches: Normalised images ``(n, 3, s, s)`` with their labels ``(n,)``.

    Raises:
        H4HError: A class score is not finite.
    """
    network.eval()
    counts = np.zeros((network.classes, network.classes), np.int64)
    for batch, labels in batches:
        logits = network(batch)
        if not torch.isfinite(logits).all():
            raise H4HError(f"network {network.title} gives class scores that are not finite")
        counts += confusion(labels, logits.argmax(1), network.classes)
    return ClassFigures(counts)


def network_top1(network: PlainNetwork | TeacherNetwork, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Top-1 accuracy in %, as `network_figures` counts it."""
    return network_figures(network, batches).accuracy
