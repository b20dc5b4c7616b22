"""Training of a supernet: the step, the epoch, and a state from which training goes on exactly.

Everything random in an epoch comes from the seed and the epoch's number, so a state is only the weights,
the optimiser's moments and the number of epochs done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from search_space.errors import H4HError
from search_space.space import Space
from search_space.subnet import Subnet
from supernet.checkpoint import CheckpointError, read_tensors, write_tensors
from supernet.images import Images, normalised
from supernet.model import Supernet
from supernet.phases import Phase, learning_rate, phase_at, sandwich, whole, without_vit
from supernet.precision import PRECISIONS

STATE_FORMAT = "h4h-training-1"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the trained weights, but the images.

    Attributes:
        seed: Of the weights' start, the order of images, augmentation and subnets.
        cnn_epochs, hybrid_epochs: Lengths of phases 1 and 2.
        cnn_rate, hybrid_rate: Peak learning rates of AdamW.
        warm_up_epochs: Length of each phase's warm-up.
        batch: Images per step.
        cnn_random_subnets, hybrid_random_subnets: Random subnets per step, beside the largest and the
            smallest.
        weight_decay: Of matrices and kernels; norms, biases and scales have none.
        label_smoothing: Of the largest subnet's targets.
        clip: Largest norm of a step's gradient.
        precision: Number format of activations, ``bf16`` or ``fp32``.
    """

    seed: int = 0
    cnn_epochs: int = 25
    hybrid_epochs: int = 30
    cnn_rate: float = 2e-3
    hybrid_rate: float = 2e-3
    warm_up_epochs: float = 1.0
    batch: int = 128
    cnn_random_subnets: int = 1
    hybrid_random_subnets: int = 2
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    clip: float = 1.0
    precision: str = "fp32"

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Phases in order; one of no epochs is left out."""
        phases = (
            Phase("cnn", self.cnn_epochs, self.cnn_rate, self.cnn_random_subnets, without_vit),
            Phase("hybrid", self.hybrid_epochs, self.hybrid_rate, self.hybrid_random_subnets, whole),
        )
        return tuple(phase for phase in phases if phase.epochs > 0)

    @property
    def epochs(self) -> int:
        return self.cnn_epochs + self.hybrid_epochs


class AugmentedImages(Dataset[tuple[Tensor, int]]):
    """Training images with random crop and horizontal flip.

    Squares are padded by 4 pixels first; of images that show more than a network sees, a random part of 8 to
    100 % of the area is resized, as is usual for ImageNet.
    """

    def __init__(self, images: Images) -> None:
        self._images = images
        crop: v2.Transform
        if images.crop is None:
            crop = v2.RandomCrop(images[0][0].shape[-1], padding=4)
        else:
            crop = v2.RandomResizedCrop(images.crop, antialias=True)
        self._augment = v2.Compose([crop, v2.RandomHorizontalFlip()])

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        pixels, label = self._images[index]
        return self._augment(pixels), label


@dataclass(frozen=True)
class StepResult:
    """What a step tells a progress display.

    Attributes:
        loss: Cross-entropy of the largest subnet, nats.
        accuracy: Share of the batch that the largest subnet classified right, %.
    """

    loss: float
    accuracy: float


class Trainer:
    """A supernet in training.

    Args:
        space: The space to train.
        images: Training images.
        recipe: What to do.
        device: Where to compute.
    """

    def __init__(self, *, space: Space, images: Images, recipe: Recipe, device: torch.device) -> None:
        if len(images) < recipe.batch:
            raise H4HError(f"batch must be at most the {len(images)} training images, but got {recipe.batch}")
        torch.manual_seed(recipe.seed)
        self.space = space
        self.recipe = recipe
        self.device = device
        self.supernet = Supernet(space).to(device)
        self.optimizer = make_optimizer(self.supernet, recipe)
        self.epochs_done = 0
        self._images = images

    @property
    def is_finished(self) -> bool:
        return self.epochs_done >= self.recipe.epochs

    @property
    def steps_per_epoch(self) -> int:
        return len(self._images) // self.recipe.batch

    @property
    def phase(self) -> Phase:
        return phase_at(self.recipe.phases, self.epochs_done)[0]

    def train_epoch(self, on_step: Callable[[StepResult], None]) -> None:
        """One pass over the training images.

        Raises:
            H4HError: The loss is not finite.
        """
        phase, epoch = phase_at(self.recipe.phases, self.epochs_done)
        seed = [self.recipe.seed, self.epochs_done]
        rng = np.random.default_rng(seed)
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))
        loader = DataLoader(
            AugmentedImages(self._images), batch_size=self.recipe.batch, shuffle=True, drop_last=True
        )
        self.supernet.train()
        for step, (pixels, labels) in enumerate(loader):
            rate = learning_rate(phase, epoch + step / self.steps_per_epoch, self.recipe.warm_up_epochs)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            subnets = sandwich(self.space, phase, rng)
            images = normalised(pixels.to(self.device), PRECISIONS[self.recipe.precision])
            result = self._step(images, labels.to(self.device), subnets)
            if not np.isfinite(result.loss):
                raise H4HError(
                    f"the loss became {result.loss} in epoch {self.epochs_done + 1}, step {step + 1}: "
                    f"lower the learning rate"
                )
            on_step(result)
        self.epochs_done += 1

    def _step(self, images: Tensor, labels: Tensor, subnets: list[Subnet]) -> StepResult:
        """Sandwich rule with in-place distillation: the largest learns from labels, the others from it."""
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.supernet(images, subnets[0]).float()
        loss = F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)
        torch.autograd.backward(loss)
        soft_labels = logits.detach().softmax(1)
        for subnet in subnets[1:]:
            student = self.supernet(images, subnet).float()
            torch.autograd.backward(F.cross_entropy(student, soft_labels))
        nn.utils.clip_grad_norm_(self.supernet.parameters(), self.recipe.clip)
        self.optimizer.step()
        accuracy = (logits.argmax(1) == labels).float().mean()
        return StepResult(loss=loss.item(), accuracy=100 * accuracy.item())

    # --- state -----------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Writes the state from which `load` goes on."""
        tensors = {f"weight.{name}": value for name, value in self.supernet.state_dict().items()}
        moments = self.optimizer.state_dict()["state"]
        for index, name in enumerate(_parameter_names(self.optimizer, self.supernet)):
            for kind, value in moments.get(index, {}).items():
                tensors[f"optimizer.{kind}.{name}"] = torch.as_tensor(value)
        header = {
            "format": STATE_FORMAT,
            "recipe": asdict(self.recipe),
            "space": self.space.digest,
            "epochs_done": self.epochs_done,
        }
        write_tensors(path, tensors, header)

    def load(self, path: Path) -> None:
        """Goes on from a state that `save` wrote.

        Raises:
            CheckpointError: It is damaged, or of another recipe or space; names each difference.
        """
        tensors, header = read_tensors(path, STATE_FORMAT)
        wanted, stored = asdict(self.recipe), header["recipe"]
        differences = [
            f"{key} {stored.get(key)!r} -> {value!r}"
            for key, value in wanted.items()
            if stored.get(key) != value
        ]
        if header["space"] != self.space.digest:
            differences.append("the search space")
        if differences:
            raise CheckpointError(
                f"{path} belongs to another training ({'; '.join(differences)}): "
                f"repeat its settings, or choose another --out"
            )
        weights = _with_prefix(tensors, "weight.")
        self.supernet.load_state_dict(weights)
        state = self.optimizer.state_dict()
        for index, name in enumerate(_parameter_names(self.optimizer, self.supernet)):
            entry = {
                kind: tensors[key]
                for kind in ("step", "exp_avg", "exp_avg_sq")
                if (key := f"optimizer.{kind}.{name}") in tensors
            }
            if entry:
                state["state"][index] = entry
        self.optimizer.load_state_dict(state)
        self.epochs_done = header["epochs_done"]


def make_optimizer(supernet: Supernet, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW; weight decay on matrices and kernels only."""
    parameters = list(supernet.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0)


def _parameter_names(optimizer: torch.optim.Optimizer, supernet: Supernet) -> list[str]:
    """Names of the supernet's parameters in the order in which the optimiser numbers them."""
    names = {id(parameter): name for name, parameter in supernet.named_parameters()}
    return [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
