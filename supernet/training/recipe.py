"""Training recipes: YAML files with everything but the images that decides the trained weights.

`python -m supernet.train --recipe NAME` takes one of `supernet/recipes/`, or the path of your own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields, replace
from importlib import resources
from typing import Any

from search_space.errors import DocumentError, UnknownNameError
from search_space.files.yaml_document import Document, built_in_names, locate, read_document
from supernet.checkpoints.image_input import CLASS_WEIGHTS, CROP, FITS, NONE
from supernet.network.number_formats import PRECISIONS
from supernet.training.distillation import DISTILLATIONS, KL
from supernet.training.gradient_projection import CONFLICTS, SUM
from supernet.training.number_ranges import SETTING_RANGES
from supernet.training.optimizer import ADAMW, OPTIMIZERS
from supernet.training.phases import COSINE, SCHEDULES, Phase

GLOBAL, LOCAL = "global", "local"
BATCH_NORMS = (GLOBAL, LOCAL)


@dataclass(frozen=True)
class Recipe(Document):
    """Everything that decides the trained weights, except the images.

    Attributes:
        phases: Phases in order; each starts from the weights of the one before.
        seed: Random seed of weights, image order, augmentation and subnets.
        batch: Images per step, over all processes.
        accumulate: Number of parts of a batch, to save memory. Batch norm sees one part at a time.
        precision: Number format of activations: ``bf16``, ``fp32``, or ``auto`` (bf16 if the device
            multiplies it natively).
        optimizer: ``adamw``, or ``sgd`` with Nesterov momentum.
        momentum: Momentum of SGD; AdamW has torch's betas.
        weight_decay: Weight decay of matrices and kernels; norms, biases and scales have none.
        clip: Maximum gradient norm of a step; 0 disables clipping.
        schedule: Learning rate after warm-up: ``cosine`` to zero, or ``constant``.
        warm_up_epochs: Length of the warm-up of each phase.
        label_smoothing: Label smoothing of the largest subnet's targets, from 0 to below 1.
        distillation: Distillation loss of the other subnets: ``kl``, or AlphaNet's ``alpha``.
        conflict: Combination of the largest subnet's gradient with the others': ``sum``, or NASViT's
            projection (``project``).
        drop_path: Probability of dropping the largest subnet's last residual branch. It rises linearly from
            the first branch.
        ema: Decay per step of the running average of the weights that is saved; 0 saves the weights.
        crop_padding: Black pixels around small images before the random crop.
        crop_scale: Smallest area share of a random crop of a larger image.
        rand_augment: RandAugment operations per image; 0 disables it.
        magnitude: Magnitude of RandAugment, 0 to 30.
        mixup, cutmix: Parameter alpha of each; 0 disables it. With both, each batch gets one of them.
        flip: Share of the images that are mirrored left to right, 0 to 1.
        fit: How images from folders become squares: ``crop`` (the centre), ``pad`` (black margins), or
            ``squash`` (other proportions).
        class_weights: Weights of the classes in the loss against labels: ``none``, or ``balanced`` (inverse
            to the number of their images).
        batch_norm: Images whose statistics batch norm uses with several processes: ``global`` (those of all
            processes) or ``local`` (those of each process, without communication).
    """

    phases: tuple[Phase, ...]
    seed: int = 0
    batch: int = 128
    accumulate: int = 1
    precision: str = "auto"
    optimizer: str = ADAMW
    momentum: float = 0.9
    weight_decay: float = 0.05
    clip: float = 1.0
    schedule: str = COSINE
    warm_up_epochs: float = 1.0
    label_smoothing: float = 0.1
    distillation: str = KL
    conflict: str = SUM
    drop_path: float = 0.0
    ema: float = 0.0
    crop_padding: int = 4
    crop_scale: float = 0.08
    rand_augment: int = 0
    magnitude: int = 9
    mixup: float = 0.0
    cutmix: float = 0.0
    flip: float = 0.5
    fit: str = CROP
    class_weights: str = NONE
    batch_norm: str = GLOBAL

    def __post_init__(self) -> None:
        if not self.phases:
            raise DocumentError("phases must list at least one phase, but got none")
        for phase in self.phases:
            phase.check()
        names = [phase.name for phase in self.phases]
        if len(set(names)) != len(names):
            raise DocumentError(f"phases must have different names, but got {', '.join(names)}")
        for name, limits in SETTING_RANGES.items():
            limits.check(name, getattr(self, name))
        for name, known in NAMES.items():
            if getattr(self, name) not in known:
                raise UnknownNameError(name, getattr(self, name), known)
        if self.batch % self.accumulate or self.batch // self.accumulate < 2:
            raise DocumentError(
                f"batch must be a multiple of accumulate with parts of 2 images or more, "
                f"but got batch {self.batch} and accumulate {self.accumulate}"
            )

    @property
    def epochs(self) -> int:
        return sum(phase.epochs for phase in self.phases)

    def with_phases(
        self,
        *,
        epochs: Sequence[int] = (),
        rate: Sequence[float] = (),
        random_subnets: Sequence[int] = (),
        largest_every: Sequence[int] = (),
        sampling: Sequence[str] = (),
        low_lr_factor: Sequence[float] = (),
        vit_lr_factor: Sequence[float] = (),
        cnn: str | None = None,
    ) -> Recipe:
        """The recipe with changed phases.

        Args:
            epochs, rate, random_subnets, largest_every, sampling, low_lr_factor, vit_lr_factor: One value per
                phase, or one for all; empty keeps the values of the recipe.
            cnn: Treatment of the CNN's weights in the last phase.

        Raises:
            DocumentError: The number of values differs from that of phases, or a value is out of range.
        """
        changes: list[dict[str, Any]] = [{} for _ in self.phases]
        given: dict[str, Sequence[Any]] = {
            "epochs": epochs,
            "rate": rate,
            "random_subnets": random_subnets,
            "largest_every": largest_every,
            "sampling": sampling,
            "low_lr_factor": low_lr_factor,
            "vit_lr_factor": vit_lr_factor,
        }
        for name, values in given.items():
            if values and len(values) not in (1, len(self.phases)):
                raise DocumentError(
                    f"{name} must have one value, or one for each phase "
                    f"({', '.join(phase.name for phase in self.phases)}), but got {len(values)}"
                )
            spread = list(values) * len(self.phases) if len(values) == 1 else values
            for change, value in zip(changes, spread, strict=False):
                change[name] = value
        if cnn is not None:
            changes[-1]["cnn"] = cnn
        phases = zip(self.phases, changes, strict=True)
        return replace(self, phases=tuple(replace(phase, **change) for phase, change in phases))


def flat_settings(recipe: Recipe) -> dict[str, Any]:
    """All settings of `recipe` in one mapping; settings of a phase have the keys ``phase NAME: KEY``."""
    settings = recipe.to_dict()
    phases = settings.pop("phases")
    of_phases = {f"phase {phase['name']}: {key}": value for phase in phases for key, value in phase.items()}
    return {**settings, **of_phases, "phases": [phase["name"] for phase in phases]}


def default_settings(recipe: Recipe) -> dict[str, Any]:
    """Defaults of the settings in `flat_settings`; settings without a default are left out."""
    of_phase = {field.name: field.default for field in fields(Phase) if field.default is not MISSING}
    return {
        **{field.name: field.default for field in fields(Recipe) if field.default is not MISSING},
        **{
            f"phase {phase.name}: {name}": value
            for phase in recipe.phases
            for name, value in of_phase.items()
        },
    }


NAMES: dict[str, Sequence[str]] = {
    "precision": ("auto", *PRECISIONS),
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "distillation": DISTILLATIONS,
    "conflict": CONFLICTS,
    "fit": FITS,
    "class_weights": CLASS_WEIGHTS,
    "batch_norm": BATCH_NORMS,
}

_BUILT_IN = resources.files("supernet") / "recipes"


def known_recipes() -> tuple[str, ...]:
    """Names of the built-in recipes."""
    return built_in_names(_BUILT_IN)


def load_recipe(name: str) -> Recipe:
    """A built-in recipe by its name, or a user's own by the path of its YAML file.

    Raises:
        UnknownNameError: No built-in recipe has this name.
        DocumentError: The file is damaged, or a value is out of range.
    """
    return read_document(Recipe, locate("recipe", name, _BUILT_IN))
