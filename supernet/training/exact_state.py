"""Training state: a file from which a training resumes bit for bit.

Everything random in a step follows from the seed and the numbers of epoch and step. So a state consists of
the weights, the optimiser's moments, the running average of the weights (if any), and the progress.

The header also holds the settings that decide the weights. A training with other settings refuses the state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from search_space.files.setting_differences import differing
from supernet.checkpoints.header import CheckpointError, damaged
from supernet.checkpoints.tensor_file import read_tensors, write_tensors

EPOCHS = "epochs"
"""Last part of the name of a setting that holds the epochs of a phase."""

SUPERNET_STATE = "h4h-training-3"
PLAIN_STATE = "h4h-fine-tuning-1"
EARLIER_FORMATS = {SUPERNET_STATE: ("h4h-training-2",)}
"""Older formats that `load` also reads. They lack some tensors of the trainer."""


@dataclass(frozen=True)
class Progress:
    """Progress of a training.

    Attributes:
        epochs_done: Finished epochs.
        steps_done: Finished steps of the current epoch.
        tensors: Further tensors of the trainer, by name.
        earlier_ends: Numbers of epochs at which the training was finished before its epochs were raised.
    """

    epochs_done: int
    steps_done: int = 0
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    earlier_ends: tuple[int, ...] = ()


class OtherTrainingError(CheckpointError):
    """A state that belongs to a training with other settings.

    Args:
        path: File of the state.
        stored: Settings of the state by name.
        current: Settings of this training by name.
        is_finished: Whether the training of the state is finished.

    Attributes:
        differences: Names of the settings that differ.
        what: The message without its remedy.
    """

    def __init__(
        self, path: Path, stored: Mapping[str, Any], current: Mapping[str, Any], *, is_finished: bool
    ) -> None:
        self.stored, self.current = stored, current
        self.is_finished = is_finished
        self.differences = sorted(differing(stored, current))
        changes = (f"{name} {stored.get(name)!r} -> {current.get(name)!r}" for name in self.differences)
        self.what = f"{path} belongs to another training ({'; '.join(changes)})"
        super().__init__(f"{self.what}: repeat its settings, or choose another --out")


@dataclass(frozen=True)
class ExactState:
    """The parts of a training that its state file holds.

    Attributes:
        format: Format of the file: `SUPERNET_STATE`, or `PLAIN_STATE` for one plain network.
        settings: Everything that decides the weights, as JSON values by name.
        defaults: Values of settings that are newer than the state.
        network: The network.
        optimizer: Optimiser of its parameters.
        average: Running average of its weights, or None.
        growing: Name of the setting with the epochs of the last phase, which a finished training may raise.
    """

    format: str
    settings: Mapping[str, Any]
    defaults: Mapping[str, Any]
    network: nn.Module
    optimizer: torch.optim.Optimizer
    average: nn.Module | None = None
    growing: str = EPOCHS

    def save(self, path: Path, progress: Progress) -> None:
        """Writes the state to `path`, whole or not at all."""
        tensors = {f"weight.{name}": value for name, value in self.network.state_dict().items()}
        moments = self.optimizer.state_dict()["state"]
        for index, name in enumerate(self._parameter_names()):
            for moment, value in moments.get(index, {}).items():
                tensors[self._moment_key(index, name, moment)] = torch.as_tensor(value)
        if self.average is not None:
            tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        tensors |= progress.tensors
        header = {
            "format": self.format,
            "settings": dict(self.settings),
            "epochs_done": progress.epochs_done,
        }
        if self.format == SUPERNET_STATE:
            header["steps_done"] = progress.steps_done
        if progress.earlier_ends:
            header["earlier_ends"] = list(progress.earlier_ends)
        write_tensors(path, tensors, header)

    def load(self, path: Path) -> Progress:
        """Restores network, optimiser and average from the state that `save` wrote to `path`.

        A finished training may have fewer epochs in its last phase than this one. Then it continues.

        Raises:
            CheckpointError: The file is absent or damaged.
            OtherTrainingError: It belongs to a training with other settings. The message names each
                difference.
        """
        tensors, header = self._read(path)
        ends = tuple(header.get("earlier_ends", ())) + self._check_settings(path, header)
        try:
            moments = self._moments(_take(tensors, "optimizer."))
            self.network.load_state_dict(_take(tensors, "weight."))
            if self.average is not None:
                self.average.load_state_dict(_take(tensors, "average."))
            progress = Progress(header["epochs_done"], header.get("steps_done", 0), tensors, ends)
        except (KeyError, RuntimeError) as error:
            raise damaged(path, error) from error
        state = self.optimizer.state_dict()
        state["state"] = moments
        self.optimizer.load_state_dict(state)
        return progress

    def stored_settings(self, path: Path) -> Mapping[str, Any]:
        """Settings of the training that wrote the state at `path`.

        Raises:
            CheckpointError: The file is absent or damaged.
        """
        _, header = self._read(path)
        return _settings_in(path, header)

    def _read(self, path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
        for earlier in EARLIER_FORMATS.get(self.format, ()):
            with suppress(CheckpointError):
                return read_tensors(path, earlier)
        return read_tensors(path, self.format)

    def _check_settings(self, path: Path, header: Mapping[str, Any]) -> tuple[int, ...]:
        """Compares the settings of a state with the current ones.

        Returns:
            The number of epochs at which the training was finished, if its epochs are raised now; else none.
        """
        # A round trip through JSON, so that a tuple equals a list.
        current: dict[str, Any] = json.loads(json.dumps(dict(self.settings)))
        given = _settings_in(path, header)
        stored = {name: self.defaults[name] for name in current if name in self.defaults} | given
        differences = differing(stored, current)
        if not differences:
            return ()
        total = sum(epochs_by_phase(stored))
        is_finished = header.get("epochs_done") == total
        is_raised = differences == [self.growing] and sum(epochs_by_phase(current)) > total
        if is_finished and is_raised:
            return (total,)
        raise OtherTrainingError(path, stored, current, is_finished=is_finished)

    def _moments(self, tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
        """Moments by the number of the parameter, the form of the optimiser's state.

        Raises:
            KeyError: A tensor belongs to no parameter.
        """
        numbers = {name: index for index, name in enumerate(self._parameter_names())}
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            first, second = key.split(".", 1)
            index, moment = (
                (numbers[second], first) if self.format == SUPERNET_STATE else (int(first), second)
            )
            moments.setdefault(index, {})[moment] = value
        return moments

    def _moment_key(self, index: int, name: str, moment: str) -> str:
        return (
            f"optimizer.{moment}.{name}" if self.format == SUPERNET_STATE else f"optimizer.{index}.{moment}"
        )

    def _parameter_names(self) -> list[str]:
        """Names of the parameters, in the order in which the optimiser numbers them."""
        names = {id(parameter): name for name, parameter in self.network.named_parameters()}
        groups = self.optimizer.param_groups
        return [names[id(parameter)] for group in groups for parameter in group["params"]]


def epochs_by_phase(settings: Mapping[str, Any]) -> list[int]:
    """Epochs of each phase in settings of a training; one number without phases."""
    names = [f"phase {phase}: {EPOCHS}" for phase in settings["phases"]] if "phases" in settings else [EPOCHS]
    # Settings of a damaged state may lack one.
    return [int(settings.get(name) or 0) for name in names]


def _settings_in(path: Path, header: Mapping[str, Any]) -> dict[str, Any]:
    stored = header.get("settings")
    if not isinstance(stored, dict):
        raise CheckpointError(f"checkpoint {path} holds no settings of a training")
    return stored


def _take(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Removes the tensors whose names begin with `prefix` and returns them without it."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name) for name in names}
