"""Run of a supernet training in a folder: progress, log, checkpoint and state, after every epoch."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from search_space.command.wide_table import print_wide
from search_space.errors import H4HError
from supernet.checkpoints.image_input import ImageInput
from supernet.network.supernet_file import save_checkpoint
from supernet.training.continuation import added_epochs
from supernet.training.epoch_log import EpochLog
from supernet.training.epoch_progress import Show, epoch_progress
from supernet.training.epoch_result import DivergedError, EpochResult, check_weights
from supernet.training.initial_weights import transfer_table
from supernet.training.phases import Phase
from supernet.training.run_folder import CHECKPOINT, STATE
from supernet.training.search_score import SearchScore
from supernet.training.supernet_trainer import Trainer


class SupernetRun:
    """A supernet training that writes into a folder.

    Args:
        trainer: The training.
        folder: Folder of state, checkpoint and log.
        data: Description of the training images for the checkpoint's header.
        image_input: How the images are prepared and the names of their classes, for the same header.
        score: Images that score each epoch.
        save_every: Minutes between two states within an epoch.
        conflict_every: Epochs between two measurements of gradient conflict; 0 for none.
        log: Receives a record for each epoch.
        console: Output of the progress.
    """

    def __init__(
        self,
        trainer: Trainer,
        folder: Path,
        *,
        data: Mapping[str, str],
        image_input: ImageInput,
        score: SearchScore,
        save_every: float,
        conflict_every: int,
        log: EpochLog,
        console: Console,
    ) -> None:
        self._trainer = trainer
        self._folder = folder
        self._state = folder / STATE
        self._data = data
        self._image_input = image_input
        self._score = score
        self._save_every = save_every
        self._conflict_every = conflict_every
        self._log = log
        self._console = console

    def resume(self) -> None:
        """Loads the state in the folder, if there is one.

        Raises:
            CheckpointError: The state is damaged.
            OtherTrainingError: The state belongs to another training.
        """
        if not self._state.exists():
            self._show_taken()
            return
        trainer = self._trainer
        trainer.load(self._state)
        where = f"epoch {trainer.epochs_done} of {trainer.recipe.epochs}"
        if trainer.steps_done:
            where += f" and {trainer.steps_done} of {trainer.steps_per_epoch} steps"
        self._console.print(f"resuming after {where} ({self._state})")
        if note := added_epochs(trainer.epochs_done, trainer.recipe.epochs, trainer.earlier_ends):
            self._console.print(note, soft_wrap=True)

    def _show_taken(self) -> None:
        """Prints the weights taken from a checkpoint of another space."""
        taken = self._trainer.taken
        if not taken:
            return
        share = sum(part.taken for part in taken) / sum(part.weights for part in taken)
        self._console.print(f"{100 * share:.1f} % of the weights come from --from, the others are random:")
        if self._trainer.world.rank == 0:
            print_wide(transfer_table(taken))

    def train(self) -> None:
        """Trains all remaining epochs: progress of the current epoch, and a line for each finished one.

        Raises:
            DivergedError: The loss is not finite; the message names the remedy.
            KeyboardInterrupt: The user has stopped the training; the last state is kept.
        """
        try:
            self._train()
        except KeyboardInterrupt:
            self._console.print(f"stopped; rerun the command to resume from {self._state}")
            raise

    def _train(self) -> None:
        trainer = self._trainer
        while not trainer.is_finished:
            phase = trainer.phase
            name = f"epoch {trainer.epochs_done + 1}/{trainer.recipe.epochs} ({phase.name})"
            with epoch_progress(
                self._console,
                name,
                steps=trainer.steps_per_epoch,
                done=trainer.steps_done,
                later=trainer.recipe.epochs - trainer.epochs_done - 1,
            ) as show:
                record = self._train_epoch(show)
                self._check_weights(trainer.epochs_done)
                if trainer.world.rank == 0:
                    record["search_accuracy"] = self._search_accuracies(phase)
                    if self._conflict_every and record["epoch"] % self._conflict_every == 0:
                        record["conflict"] = trainer.measure_conflict().to_dict()
                    # The state last: a kill before it repeats the epoch and writes the same files again.
                    self._log.add(record)
                    checkpoint = self._folder / CHECKPOINT
                    save_checkpoint(checkpoint, trainer.result, self._data, self._image_input)
                    trainer.save(self._state)
            loss = next(iter(record["loss"].values()))
            line = f"{name}: loss {loss:.3f}, train top-1 {_in_words(record['train_accuracy'])}"
            if searched := record.get("search_accuracy"):
                line += f", search top-1 {_in_words(searched)}"
            self._console.print(f"{line}, {record['seconds']:.0f} s", soft_wrap=True)

    def _search_accuracies(self, phase: Phase) -> dict[str, float]:
        trainer = self._trainer
        try:
            return self._score.accuracies(trainer.result, trainer.space, phase)
        except H4HError as error:
            raise DivergedError(f"{error}{self._remedy()}") from error

    def _train_epoch(self, show: Show) -> dict[str, Any]:
        """Trains to the end of the epoch and returns its line of the log.

        Args:
            show: Called with the number of finished steps and a status.
        """
        trainer = self._trainer
        number, phase, first_step = trainer.epochs_done + 1, trainer.phase.name, trainer.steps_done
        start = saved = time.perf_counter()
        cpu_start = time.process_time()

        def on_check(result: EpochResult) -> None:
            nonlocal saved
            if trainer.world.rank != 0:
                return
            now = time.perf_counter()
            rate = (result.steps - first_step) * trainer.recipe.batch / (now - start)
            score = next(iter(result.scores.values()))
            status = f"loss {score.loss:.3f}  train top-1 {score.accuracy:.1f} %  {rate:.0f} images/s"
            show(result.steps, status)
            if now - saved >= 60 * self._save_every:
                self._check_weights(number)
                trainer.save(self._state)
                saved = time.perf_counter()

        try:
            result = trainer.train_epoch(on_check)
        except DivergedError as error:
            raise DivergedError(f"{error}{self._remedy()}") from error
        scores = {kind: asdict(score) for kind, score in result.scores.items()}
        return {
            "epoch": number,
            "phase": phase,
            "loss": {kind: score["loss"] for kind, score in scores.items()},
            "train_accuracy": {kind: score["accuracy"] for kind, score in scores.items()},
            "rate": result.rates,
            "seconds": time.perf_counter() - start,
            "cpu_seconds": time.process_time() - cpu_start,
        }

    def _check_weights(self, epoch: int) -> None:
        """Raises `DivergedError` before weights are written that no checkpoint can hold."""
        try:
            check_weights(self._trainer.result, epoch)
        except DivergedError as error:
            raise DivergedError(f"{error}{self._remedy()}") from error

    def _remedy(self) -> str:
        checkpoint = self._folder / CHECKPOINT
        if not checkpoint.exists():
            other = " with another --out" if self._state.exists() else ""
            return f"; no epoch is finished, so start again{other}"
        return f" and continue from the last good checkpoint: --from {checkpoint} with another --out"


def _in_words(accuracies: Mapping[str, float]) -> str:
    return ", ".join(f"{kind} {value:.1f} %" for kind, value in accuracies.items())
