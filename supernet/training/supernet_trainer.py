"""Training of a supernet: step, epoch, and exact resume.

Everything random in a step follows from the seed and the numbers of epoch and step (see `exact_state`).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from search_space.errors import H4HError
from search_space.space import Space
from search_space.subnet import Subnet
from supernet.checkpoints.tensor_file import file_digest
from supernet.gradient_conflict.measure import measure
from supernet.gradient_conflict.measurement import ConflictReport
from supernet.images.labelled_images import Images, loaded, normalised
from supernet.network.batch_norm import Normalisation, by_batch
from supernet.network.number_formats import PRECISIONS, resolve_precision
from supernet.network.residual import DropPath, Residual, add, residual_branches
from supernet.network.supernet import Supernet
from supernet.training.augmentation import mixing
from supernet.training.batches import Draw, Part, make_batches, seed_sequence, torch_seed
from supernet.training.class_weights import class_weights
from supernet.training.distillation import distil
from supernet.training.distributed import World, by_global_batch
from supernet.training.epoch_result import DivergedError, EpochResult, SubnetScore
from supernet.training.exact_state import SUPERNET_STATE, ExactState, Progress
from supernet.training.gradient_projection import PROJECT, project_gradients, take_gradients
from supernet.training.initial_weights import initial_supernet, load_teacher_supernet
from supernet.training.learning_rate import learning_rate
from supernet.training.optimizer import enter_phase, make_optimizer, rates, set_rate
from supernet.training.phases import KINDS, LARGEST, PARETO, RANDOM, Phase, phase_at
from supernet.training.recipe import GLOBAL, Recipe, default_settings, flat_settings
from supernet.training.soft_labels import SoftLabels, check_targets
from supernet.training.step_subnets import LossEstimate, sandwich
from supernet.training.wrapped_supernet import StepNetwork

CHECK_STEPS = {"cpu": 1}
LARGEST_CHECK_STEPS = 16
"""Steps between two checks of the loss on a CPU and on other devices. A check waits for the GPU."""

CONFLICT_BATCHES, CONFLICT_IMAGES, CONFLICT_SUBNETS = 4, 128, 4
"""Batches of a conflict measurement during training, images per batch, and CNNs (and hybrids) per batch."""


class Trainer:
    """Training of a supernet.

    Args:
        space: Search space of the supernet.
        images: Training images, the same in all processes.
        recipe: Recipe of the training.
        device: Device of the training.
        world: The processes that train together.
        start: Checkpoint of the initial weights; those that fit are taken if it has another space. None for
            random weights.
        teacher: Checkpoint whose largest subnet gives the targets of the largest subnet in place of the
            labels. Its space may differ but has as many classes.
        soft_labels: Targets of all subnets in place of the labels and of the largest subnet's output, already
            checked against `images` and the recipe's augmentation.
        compiled: Whether to compile the largest and the smallest subnet of each phase.
        workers: Number of processes that read images on disk.

    Attributes:
        taken: What each part of the supernet took from a checkpoint of another space; empty otherwise.

    Raises:
        H4HError: The batch does not fit images or processes, or a checkpoint does not fit the space.
    """

    def __init__(
        self,
        *,
        space: Space,
        images: Images,
        recipe: Recipe,
        device: torch.device,
        world: World = World(),  # noqa: B008
        start: Path | None = None,
        teacher: Path | None = None,
        soft_labels: SoftLabels | None = None,
        compiled: bool = False,
        workers: int = 0,
    ) -> None:
        self.space = space
        self.recipe = replace(recipe, precision=resolve_precision(recipe.precision, device))
        self._has_auto_precision = recipe.precision == "auto"
        self.device = device
        self.world = world
        self.epochs_done = 0
        self.steps_done = 0
        """Number of finished steps of the current epoch."""
        self.earlier_ends: tuple[int, ...] = ()
        """Numbers of epochs at which the training was finished before its epochs were raised."""
        for phase in recipe.phases:
            if not sandwich(space, replace(phase, random_subnets=0), np.random.default_rng(0)):
                raise H4HError(
                    f"phase {phase.name!r} freezes the CNN, but space {space.name!r} has nothing else to "
                    f"train: choose cnn: train, or a space with transformer blocks"
                )
        check_targets(recipe, teacher, soft_labels)
        self._batches = make_batches(
            images, self.recipe, device=device, world=world, workers=workers, soft_labels=soft_labels
        )
        self._images = images
        self._teacher = None if teacher is None else load_teacher_supernet(teacher, space).to(device)
        torch.manual_seed(recipe.seed)
        self.supernet, self.taken = initial_supernet(space, start, self._teacher)
        self.supernet.to(device)
        self._sources = {
            "start": None if start is None else file_digest(start),
            "teacher": None if teacher is None else file_digest(teacher),
            "soft labels": None if soft_labels is None else soft_labels.digest,
        }
        self._has_soft_labels = soft_labels is not None
        self._estimate = LossEstimate(space)
        self.optimizer = make_optimizer(
            recipe.optimizer,
            self.supernet.named_parameters(),
            weight_decay=recipe.weight_decay,
            momentum=recipe.momentum,
        )
        self._average = (
            AveragedModel(self.supernet, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema))  # type: ignore[no-untyped-call]
            if recipe.ema
            else None
        )
        self._network: nn.Module = StepNetwork(self.supernet, compiled)
        self._normalise: Normalisation = by_batch
        if world.size > 1:
            # Each subnet uses some of the parameters. DDP reduces the sums over all passes of a step.
            # Parameters that no pass has used get no gradient.
            self._network = DistributedDataParallel(self._network, find_unused_parameters=True)
            # The warning is about 1x1 kernels, whose strides have no meaning.
            warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
            if recipe.batch_norm == GLOBAL:
                self._normalise = by_global_batch
        self._mixing = mixing(recipe, space.head.classes)
        self._totals = torch.zeros(len(KINDS), 3, dtype=torch.float64)
        weights = class_weights(recipe.class_weights, images.labels, space.head.classes)
        self._class_weights = None if weights is None else weights.to(device)

    @property
    def is_finished(self) -> bool:
        return self.epochs_done >= self.recipe.epochs

    @property
    def steps_per_epoch(self) -> int:
        return self._batches.steps_per_epoch

    @property
    def phase(self) -> Phase:
        """Phase of the current epoch; the last phase after the end."""
        return phase_at(self.recipe.phases, min(self.epochs_done, self.recipe.epochs - 1))[0]

    @property
    def rate(self) -> float:
        """Learning rate of the next step, before the factors of the phase; 0 after the end."""
        if self.is_finished:
            return 0.0
        phase, epoch = phase_at(self.recipe.phases, self.epochs_done)
        return learning_rate(
            phase,
            epoch + self.steps_done / self.steps_per_epoch,
            warm_up_epochs=self.recipe.warm_up_epochs,
            schedule=self.recipe.schedule,
        )

    @property
    def result(self) -> Supernet:
        """The trained supernet: the running average of the weights if the recipe has one."""
        if self._average is None:
            return self.supernet
        averaged = self._average.module
        assert isinstance(averaged, Supernet)
        return averaged

    # --- training --------------------------------------------------------------------------------

    def train_epoch(self, on_check: Callable[[EpochResult], None] | None = None) -> EpochResult:
        """Trains to the end of the current epoch.

        Args:
            on_check: Receives the result of the epoch so far, every few steps except at the end. It may call
                `save`.

        Raises:
            DivergedError: A loss or a gradient is not finite. The message names the step. The weights are
                damaged, but `on_check` has not been called since.
            H4HError: An image cannot be read.
        """
        phase = self.phase
        enter_phase(self.supernet.named_parameters(), phase)
        self.supernet.train()
        unseen: list[Tensor] = []
        every = CHECK_STEPS.get(self.device.type, LARGEST_CHECK_STEPS)
        for parts in self._batches.epoch(self.epochs_done, self.steps_done):
            set_rate(self.optimizer, phase, self.rate)
            unseen.append(self._step(parts, phase))
            self.steps_done += 1
            if len(unseen) == every or self.steps_done == self.steps_per_epoch:
                self._take_in(torch.stack(unseen))
                unseen = []
                if on_check is not None and self.steps_done < self.steps_per_epoch:
                    on_check(self._result())
        result = self._result()
        self.epochs_done += 1
        self.steps_done = 0
        self._totals = torch.zeros_like(self._totals)
        return result

    def _step(self, parts: list[Part], phase: Phase) -> Tensor:
        """One step by the sandwich rule.

        If the largest subnet is due, it learns from the batch's targets. The others learn from stored soft
        labels, else from the largest subnet's output (in-place distillation), else from a teacher or the
        largest subnet of the running average.

        Returns:
            ``(kinds + 1, 3)`` on the device: for each kind of subnet the loss, correct answers and 1, each
            summed over images; then the gradient's norm, three times.
        """
        numbers = (self.recipe.seed, self.epochs_done, self.steps_done)
        rng = np.random.default_rng(seed_sequence(Draw.SUBNETS, *numbers))
        torch.manual_seed(torch_seed(Draw.STEP, *numbers, self.world.rank))
        step = self.epochs_done * self.steps_per_epoch + self.steps_done
        subnets = sandwich(self.space, phase, rng, step=step, estimate=self._estimate)
        others = [(kind, subnet) for kind, subnet in subnets if kind != LARGEST]
        inputs = [self._prepared(*part) for part in parts]
        record = torch.zeros(len(KINDS) + 1, 3, device=self.device)
        self.optimizer.zero_grad(set_to_none=True)

        outputs, gradients = [], {}
        is_projected = False
        if len(others) < len(subnets):
            ((_, largest),) = (each for each in subnets if each[0] == LARGEST)
            is_projected = self.recipe.conflict == PROJECT and bool(others)
            for number, (images, targets) in enumerate(inputs, start=1):
                is_last = number == len(inputs) and (is_projected or not others)
                with self._reduced_if(is_last):
                    logits = self._forward(LARGEST, images, largest)
                    loss = F.cross_entropy(
                        logits, targets, self._class_weights, label_smoothing=self._smoothing
                    )
                    _backward(loss / len(inputs))
                outputs.append(logits.detach().softmax(1))
                _record(record, LARGEST, loss, logits, targets)
            gradients = take_gradients(self.supernet) if is_projected else {}

        soft_labels = self._soft_labels(inputs, outputs) if others else []
        for order, (kind, subnet) in enumerate(others, start=1):
            losses = []
            for number, ((images, targets), soft) in enumerate(
                zip(inputs, soft_labels, strict=True), start=1
            ):
                with self._reduced_if(order == len(others) and number == len(inputs)):
                    logits = self._forward(kind, images, subnet)
                    loss = distil(self.recipe.distillation, logits, soft)
                    _backward(loss / len(inputs))
                losses.append(loss.detach())
                _record(record, kind, loss, logits, targets)
            if phase.sampling == PARETO and kind == RANDOM:
                self._observe(subnet, torch.stack(losses).mean())
        if is_projected:
            project_gradients(self.supernet, gradients)

        norm = nn.utils.clip_grad_norm_(self.supernet.parameters(), self.recipe.clip or math.inf)
        self.optimizer.step()
        if self._average is not None:
            self._average.update_parameters(self.supernet)
        record[-1] = norm
        return record

    def _soft_labels(self, inputs: list[tuple[Tensor, Tensor]], outputs: list[Tensor]) -> list[Tensor]:
        """Class probabilities from which subnets other than the largest learn, for each part of the batch.

        Args:
            inputs: Images and targets of the parts.
            outputs: Class probabilities of the largest subnet; empty if it was not due.
        """
        if self._has_soft_labels:
            return [targets for _, targets in inputs]
        if outputs:
            return outputs
        if self._teacher is not None:
            return [targets for _, targets in inputs]
        average = self.result
        largest = self.space.decode(self.space.largest())
        with torch.no_grad():
            return [average(images, largest, self._normalise).float().softmax(1) for images, _ in inputs]

    def _observe(self, subnet: Subnet, loss: Tensor) -> None:
        """Updates the estimate of ``sampling: pareto`` with the mean of a loss over all processes."""
        mean = float(self.world.sum(loss.double())) / self.world.size
        if math.isfinite(mean):
            self._estimate.observe(self.space.encode(subnet), mean)

    def _prepared(self, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Network input and targets: class numbers, or ``(n, classes)`` with mixing or a teacher."""
        images = normalised(pixels, PRECISIONS[self.recipe.precision], self.supernet.pixel_scale)
        targets = labels
        if self._mixing is not None:
            images, targets = self._mixing(images, targets)
            images = images.contiguous(memory_format=torch.channels_last)
        if self._teacher is not None:
            with torch.no_grad():
                largest = self._teacher.space.decode(self._teacher.space.largest())
                targets = self._teacher(images, largest, self._normalise).float().softmax(1)
        return images, targets

    @property
    def _smoothing(self) -> float:
        # A teacher's labels are soft already.
        is_soft = self._has_soft_labels or self._teacher is not None
        return 0.0 if is_soft else self.recipe.label_smoothing

    def _forward(self, kind: str, images: Tensor, subnet: Subnet) -> Tensor:
        residual: Residual = add
        if kind == LARGEST and self.recipe.drop_path:
            residual = DropPath(self.recipe.drop_path, residual_branches(subnet))
        logits: Tensor = self._network(kind, images, subnet, self._normalise, residual)
        return logits.float()

    def _reduced_if(self, is_last: bool) -> AbstractContextManager[Any]:
        """Context that averages gradients over all processes if `is_last`, else sums them in this one."""
        if is_last or not isinstance(self._network, DistributedDataParallel):
            return nullcontext()
        return self._network.no_sync()

    def _take_in(self, records: Tensor) -> None:
        """Adds records of steps, ``(steps, kinds + 1, 3)``, to the epoch's totals if all are finite."""
        records = self.world.sum(records).cpu()
        is_finite = records.isfinite().flatten(1).all(1)
        if not is_finite.all():
            step = self.steps_done - len(records) + int(is_finite.int().argmin()) + 1
            raise DivergedError(
                f"the loss or its gradient became infinite or NaN in epoch {self.epochs_done + 1} "
                f"(phase {self.phase.name!r}), step {step}: lower the learning rate of that phase"
            )
        self._totals += records[:, :-1].double().sum(0)

    def _result(self) -> EpochResult:
        scores = {
            kind: SubnetScore(loss=loss / images, accuracy=100 * right / images)
            for kind, (loss, right, images) in zip(KINDS, self._totals.tolist(), strict=True)
            if images
        }
        return EpochResult(self.steps_done, scores, rates(self.optimizer, self.phase))

    # --- conflict --------------------------------------------------------------------------------

    def measure_conflict(self) -> ConflictReport:
        """Cosines between gradients of random subnets (`supernet.conflict`) with the current weights.

        Images, without augmentation, and subnets follow from the seed alone, so measurements of one training
        only differ by its weights. The measurement does not affect the training.

        Raises:
            H4HError: A gradient is not finite, or the space holds too few subnets.
        """
        size = max(1, min(CONFLICT_IMAGES, len(self._images) // CONFLICT_BATCHES))
        rng = np.random.default_rng(seed_sequence(Draw.CONFLICT, self.recipe.seed))
        order = torch.from_numpy(rng.permutation(len(self._images))[: CONFLICT_BATCHES * size])
        images = loaded(self._images.subset(order))
        batches = zip(torch.split(images.pixels, size), torch.split(images.labels, size), strict=True)
        scale = self.supernet.pixel_scale
        return measure(
            self.supernet,
            (
                (normalised(pixels.to(self.device), torch.float32, scale), labels.to(self.device))
                for pixels, labels in batches
            ),
            rng=rng,
            subnets=CONFLICT_SUBNETS,
        )

    # --- state -----------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Writes the state from which `load` resumes, also within an epoch."""
        own = {"totals": self._totals, "estimate": self._estimate.weights}
        self._state().save(path, Progress(self.epochs_done, self.steps_done, own, self.earlier_ends))

    def load(self, path: Path) -> None:
        """Resumes from a state that `save` wrote; with precision ``auto``, in the precision of that state.

        If the state is that of a finished training with fewer epochs in the last phase, the training
        continues. The learning rate of the added epochs follows the schedule of the larger number.

        Raises:
            CheckpointError: The file is absent or damaged.
            OtherTrainingError: Its recipe, space, images, start or teacher differ; the message names each
                difference.
        """
        if self._has_auto_precision:
            # ``auto`` means the precision in which the training began, perhaps on another machine.
            stored = self._state().stored_settings(path)
            self.recipe = replace(self.recipe, precision=stored.get("precision", self.recipe.precision))
        progress = self._state().load(path)
        self._totals = progress.tensors["totals"]
        # States from before there was an estimate lack it.
        self._estimate.weights = progress.tensors.get("estimate", self._estimate.weights)
        self.epochs_done, self.steps_done = progress.epochs_done, progress.steps_done
        self.earlier_ends = progress.earlier_ends

    def _state(self) -> ExactState:
        settings = {
            **flat_settings(self.recipe),
            "space": self.space.digest[:12],
            "number of images": len(self._images),
            "classes of the images": sha256(self._images.labels.numpy().tobytes()).hexdigest()[:12],
            **self._sources,
        }
        defaults = default_settings(self.recipe)
        return ExactState(
            SUPERNET_STATE,
            settings,
            defaults,
            self.supernet,
            self.optimizer,
            self._average,
            growing=f"phase {self.recipe.phases[-1].name}: epochs",
        )


def _backward(loss: Tensor) -> None:
    torch.autograd.backward(loss)


def _record(record: Tensor, kind: str, loss: Tensor, logits: Tensor, targets: Tensor) -> None:
    labels = targets if targets.ndim == 1 else targets.argmax(1)
    row = record[KINDS.index(kind)]
    row[0] += loss.detach() * len(labels)
    row[1] += (logits.detach().argmax(1) == labels).sum()
    row[2] += len(labels)
