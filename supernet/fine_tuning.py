"""Training of one plain network: from a supernet's slices, or from the start of a fresh supernet.

As in `training`, everything random in an epoch comes from the seed and the epoch's number, so a state is only
the weights, the running statistics, the optimiser's moments and the number of epochs done.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from search_space.errors import H4HError
from supernet.checkpoint import CheckpointError, read_tensors, write_tensors
from supernet.fast_backward import with_fast_backward
from supernet.images import LabelledImages, normalised
from supernet.oracle import PreparedImages
from supernet.plain import PlainNetwork
from supernet.precision import PRECISIONS
from supernet.training import AugmentedImages, StepResult

STATE_FORMAT = "h4h-fine-tuning-1"


@dataclass(frozen=True)
class FineTuningRecipe:
    """Everything that decides the trained weights, but the network and the images.

    Attributes:
        seed: Of the order of images and of augmentation.
        epochs: Passes over the training images; 0 leaves the network as it is.
        rate: Peak learning rate of AdamW, which then falls to zero along a cosine.
        warm_up_epochs: Length of the linear warm-up, at most half of all epochs.
        batch: Images per step.
        weight_decay: Of matrices and kernels; norms, biases and scales have none.
        label_smoothing: Of the targets.
        clip: Largest norm of a step's gradient.
        precision: Number format of activations, ``bf16`` or ``fp32``.
    """

    seed: int = 0
    epochs: int = 20
    rate: float = 1e-3
    warm_up_epochs: float = 1.0
    batch: int = 128
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    clip: float = 1.0
    precision: str = "fp32"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "precision":
                continue
            least = 2 if field.name == "batch" else 0
            # `not >=` and not `<`, so that NaN is refused as well.
            if not value >= least or value == math.inf:
                flag = f"--{field.name.replace('_', '-')}"
                raise H4HError(f"{flag} must be at least {least} and finite, but got {value}")
        if self.label_smoothing >= 1:
            raise H4HError(f"--label-smoothing must be below 1, but got {self.label_smoothing}")

    def rate_at(self, progress: float) -> float:
        """Learning rate after `progress` epochs, with fraction."""
        warm_up = min(self.warm_up_epochs, self.epochs / 2)
        if progress < warm_up:
            return self.rate * progress / warm_up
        return self.rate * 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (self.epochs - warm_up)))


class FineTuning:
    """A plain network in training.

    Args:
        network: What is trained, in place; on CPUs with the kernels of `fast_backward`.
        images: Training images.
        recipe: What to do.
        device: Where to compute.
        origin: Names what decided the network's first weights, e.g. a checkpoint's digest; a state of another
            origin is refused.

    Raises:
        H4HError: There are fewer images than a batch has.
    """

    def __init__(
        self,
        *,
        network: PlainNetwork,
        images: LabelledImages,
        recipe: FineTuningRecipe,
        device: torch.device,
        origin: str,
    ) -> None:
        if recipe.epochs and len(images) < recipe.batch:
            raise H4HError(f"batch must be at most the {len(images)} training images, but got {recipe.batch}")
        self.network = with_fast_backward(network).to(device)
        self.recipe = recipe
        self.device = device
        self.epochs_done = 0
        self._origin = origin
        self._images = images
        parameters = list(self.network.parameters())
        groups = [
            {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": recipe.weight_decay},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=0.0)

    @property
    def is_finished(self) -> bool:
        return self.epochs_done >= self.recipe.epochs

    @property
    def steps_per_epoch(self) -> int:
        return len(self._images) // self.recipe.batch

    def train_epoch(self, on_step: Callable[[StepResult], None]) -> None:
        """One pass over the training images.

        Raises:
            H4HError: The loss is not finite; names epoch and step.
        """
        recipe = self.recipe
        torch.manual_seed(int(np.random.SeedSequence([recipe.seed, self.epochs_done]).generate_state(1)[0]))
        loader = DataLoader(
            AugmentedImages(self._images), batch_size=recipe.batch, shuffle=True, drop_last=True
        )
        dtype = PRECISIONS[recipe.precision]
        self.network.train()
        for step, (pixels, labels) in enumerate(loader):
            for group in self.optimizer.param_groups:
                group["lr"] = recipe.rate_at(self.epochs_done + step / self.steps_per_epoch)
            images, targets = normalised(pixels.to(self.device), dtype), labels.to(self.device)
            with torch.autocast(self.device.type, dtype, enabled=dtype is not torch.float32):
                logits = self.network(images)
            logits = logits.float()
            loss = F.cross_entropy(logits, targets, label_smoothing=recipe.label_smoothing)
            if not math.isfinite(loss.item()):
                raise H4HError(
                    f"the loss became {loss.item()} in epoch {self.epochs_done + 1}, step {step + 1} "
                    f"(what the {self.epochs_done} epochs before it gave is kept): lower --rate"
                )
            self.optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip)
            self.optimizer.step()
            right = (logits.argmax(1) == targets).float().mean()
            on_step(StepResult(loss=loss.item(), accuracy=100 * right.item()))
        self.epochs_done += 1

    # --- state -----------------------------------------------------------------------------------

    def _settings(self) -> dict[str, object]:
        return {**asdict(self.recipe), "network": f"{self.network.subnet.digest} of {self._origin}"}

    def save(self, path: Path) -> None:
        """Writes the state from which `load` goes on."""
        tensors = {f"weight.{name}": value for name, value in self.network.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            for kind, value in moments.items():
                tensors[f"optimizer.{index}.{kind}"] = torch.as_tensor(value)
        header = {"format": STATE_FORMAT, "settings": self._settings(), "epochs_done": self.epochs_done}
        write_tensors(path, tensors, header)

    def load(self, path: Path) -> None:
        """Goes on from a state that `save` wrote.

        Raises:
            CheckpointError: It is damaged, or of other settings or another network; names each difference.
        """
        tensors, header = read_tensors(path, STATE_FORMAT)
        differences = [
            f"{key} {header['settings'].get(key)!r} -> {value!r}"
            for key, value in self._settings().items()
            if header["settings"].get(key) != value
        ]
        if differences:
            raise CheckpointError(
                f"{path} belongs to another training ({'; '.join(differences)}): "
                f"repeat its settings, or choose another --out"
            )
        weights = {
            name.removeprefix("weight."): value
            for name, value in tensors.items()
            if name.startswith("weight.")
        }
        self.network.load_state_dict(weights)
        state = self.optimizer.state_dict()
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, index, kind = name.split(".")
                state["state"].setdefault(int(index), {})[kind] = value
        self.optimizer.load_state_dict(state)
        self.epochs_done = header["epochs_done"]


@torch.inference_mode()
def top1(network: PlainNetwork, images: PreparedImages) -> float:
    """Share of `images` that `network` classifies right with its running statistics, in %.

    Raises:
        H4HError: A class score is not finite.
    """
    network.eval()
    right = 0
    for batch, labels in images.batches:
        logits = network(batch)
        if not torch.isfinite(logits).all():
            raise H4HError(f"network {network.subnet} gives class scores that are not finite")
        right += int((logits.argmax(1) == labels).sum())
    return 100 * right / len(images)
