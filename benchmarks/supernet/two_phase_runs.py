"""Runs of the ablation of two-phase training: training, scoring, and their results on disk."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.supernet.two_phase_report import RunResult
from benchmarks.supernet.two_phase_settings import SETTINGS, Budget, recipe_of
from search_space.block_options import PATCH_MERGING
from search_space.errors import H4HError
from search_space.families import BLOCK_FAMILIES, Family, family, without_vit
from search_space.files.whole_file import whole_file
from search_space.files.yaml_document import parse_document
from search_space.space import Space, load_space
from search_space.subnet import Subnet
from supernet.accuracy import one_subnet as oracle
from supernet.gradient_conflict.measure import measure
from supernet.gradient_conflict.measurement import ConflictReport
from supernet.images.data_sets import evaluation_images
from supernet.images.evaluation_pack import EvaluationPack
from supernet.images.labelled_images import LabelledImages, normalised
from supernet.network.number_formats import resolve_device
from supernet.network.supernet import Supernet
from supernet.network.supernet_file import load_checkpoint
from supernet.training.recipe import Recipe
from supernet.training.run_folder import CHECKPOINT, LOG

RESULT = "result.json"
LOCK = "lock"
SUBNETS_SEED = 0
"""Seed of the scored subnets, equal in all runs, so that runs are compared subnet by subnet."""
CONFLICT_IMAGES = 128
CONFLICT_SUBNETS = 8
"""Images per batch, and subnets of each kind, in the final measurement of conflict."""


@dataclass(frozen=True)
class Run:
    """One training and its evaluation.

    Attributes:
        setting: Name of the way of training.
        seed: Seed of the training.
        budget: Amount of training and measurement.
        data: Folder of the data set.
        dataset: Name of the data set on the command line, if given.
        content: Digest of its training images.
        folder: Folder of the run.
        device: Device on the command line.
        threads: Number of torch threads.
    """

    setting: str
    seed: int
    budget: Budget
    data: Path
    dataset: str | None
    content: str
    folder: Path
    device: str
    threads: int

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that decides the result, as plain data."""
        amount = asdict(self.budget)
        budget = {key: value for key, value in amount.items() if key not in ("about", "seeds", "main_seeds")}
        return {
            "setting": self.setting,
            "seed": self.seed,
            "recipe": self.recipe.to_dict(),
            **budget,
            "space": self.space.digest,
            "images": self.content,
        }

    @property
    def space(self) -> Space:
        return load_space(self.budget.space)

    @property
    def recipe(self) -> Recipe:
        """Recipe of the setting, as long as the budget allows it."""
        return recipe_of(self.setting, self.budget.epochs)

    def finished(self) -> RunResult | None:
        """Result of an earlier command, if it finished.

        Raises:
            H4HError: The folder holds a run of other settings, or is damaged.
        """
        path = self.folder / RESULT
        if not path.exists():
            return None
        try:
            record = json.loads(path.read_text())
            identity, result = record["run"], record["result"]
        except (ValueError, KeyError, TypeError) as error:
            raise H4HError(f"{path} is damaged ({error}): delete it, and it is made anew") from error
        if identity != json.loads(json.dumps(self.identity)):
            raise H4HError(f"{path} is of other settings: delete its folder, or choose another --runs")
        return parse_document(RunResult, result, source=str(path))

    def train(self, lock: int) -> None:
        """Trains in a separate process, or resumes a killed training.

        Args:
            lock: File descriptor from `locked`.

        Raises:
            H4HError: The training failed; the message gives its reason.
        """
        setting = SETTINGS[self.setting]
        epochs = ",".join(str(phase.epochs) for phase in self.recipe.phases)
        command = ["--recipe", setting.recipe, "--epochs", epochs]
        command += ["--space", self.budget.space, "--data", str(self.data), "--out", str(self.folder)]
        command += ["--seed", str(self.seed), "--device", self.device]
        command += ["--conflict-every", str(self.budget.conflict_epochs)]
        command += ["--dataset", self.dataset] if self.dataset else []
        train([*command, *setting.options], self.threads, lock)


@contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Creates the folder of a run and locks it; yields the file descriptor of the lock.

    A process that inherits the descriptor holds the lock, too. If this command is killed, its training may
    run on for a while, and a second training must not write into the same folder.

    Raises:
        H4HError: Another process holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise H4HError(
                f"{folder} is in use, perhaps by a training that an earlier command has left behind: "
                f"wait until it has ended, or end it"
            ) from error
        yield file.fileno()


def train(arguments: list[str], threads: int, lock: int) -> None:
    """Runs `python -m supernet.train` with `arguments`.

    Args:
        arguments: Arguments of that command.
        threads: Number of torch threads.
        lock: File descriptor that the process inherits.

    Raises:
        H4HError: The command failed; the message gives its reason.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "supernet.train", *arguments]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, pass_fds=(lock,)
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1].removeprefix("error: ")
        raise H4HError(f"training failed with exit code {done.returncode}: {last}")


# --- what is scored ------------------------------------------------------------------------------


def family_subnets(space: Space, wanted: Family, count: int, rng: np.random.Generator) -> list[Subnet]:
    """Up to `count` different random subnets of one family; fewer if the space does not seem to contain more.

    Genes that the family decides (no transformer block, no MBConv) are set, all others are drawn.
    """
    chosen: dict[Subnet, None] = {}
    for _ in range(200 * count):
        genotype = list(space.sample(rng))
        for index, gene in enumerate(space.genes):
            kind = gene.name.rpartition(".")[2]
            if (kind == "vit_depth" and wanted == Family.CNN) or (
                kind == "conv_depth" and wanted == Family.VIT
            ):
                genotype[index] = 0
            if kind == "downsampling" and wanted == Family.VIT and PATCH_MERGING in gene.options:
                genotype[index] = gene.options.index(PATCH_MERGING)
        subnet = space.decode(space.canonical(genotype))
        if family(subnet) == wanted:
            chosen[subnet] = None
        if len(chosen) == count:
            break
    return list(chosen)


def scored_subnets(space: Space, count: int) -> dict[str, list[Subnet]]:
    """Subnets that score every run: extremes of the space, the largest CNN, and `count` of each family."""
    rng = np.random.default_rng(SUBNETS_SEED)
    largest, smallest = space.decode(space.largest()), space.decode(space.smallest())
    groups = {"largest": [largest], "smallest": [smallest], "largest cnn": [without_vit(largest)]}
    for wanted in BLOCK_FAMILIES:
        groups[wanted.value] = family_subnets(space, wanted, count, rng)
    return {name: subnets for name, subnets in groups.items() if subnets}


def accuracies(
    supernet: Supernet, groups: Mapping[str, Iterable[Subnet]], images: EvaluationPack, device: torch.device
) -> dict[str, list[float]]:
    """Top-1 in % of every subnet, in the order of `groups`."""
    recorded = oracle.prepare(images.calibration, precision="fp32", device=device, scale=supernet.pixel_scale)
    scored = oracle.prepare(images.search, precision="fp32", device=device, scale=supernet.pixel_scale)
    return {
        name: [
            oracle.top1(supernet, subnet, scored, oracle.record_statistics(supernet, subnet, recorded))
            for subnet in subnets
        ]
        for name, subnets in groups.items()
    }


def final_conflict(supernet: Supernet, images: LabelledImages, device: torch.device) -> ConflictReport:
    """Gradient conflict on `images` in batches; images and subnets are the same for all runs."""
    parts = [images[start : start + CONFLICT_IMAGES] for start in range(0, len(images), CONFLICT_IMAGES)]
    return measure(
        supernet,
        [
            (normalised(part.pixels.to(device), torch.float32, supernet.pixel_scale), part.labels.to(device))
            for part in parts
        ],
        rng=np.random.default_rng(SUBNETS_SEED),
        subnets=CONFLICT_SUBNETS,
    )


def execute(run: Run) -> RunResult:
    """Trains, scores, measures and writes the result.

    Raises:
        H4HError: The training failed, another process works on the run, or there are too few images.
    """
    # Of this thread alone, which is why it stands here.
    torch.set_num_threads(run.threads)
    start = time.perf_counter()
    with locked(run.folder) as lock:
        run.train(lock)
        accuracy, conflict = evaluate(run)
        cpu_seconds = training_seconds(run.folder / LOG)
        result = RunResult(
            run.setting, run.seed, accuracy, conflict, time.perf_counter() - start, cpu_seconds
        )
        record = {"run": run.identity, "result": result.to_dict()}
        with whole_file(run.folder / RESULT) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n")
    return result


def training_seconds(log: Path) -> float:
    """CPU time of a training from its log. What a killed process did after its last epoch is not in it."""
    return sum(float(json.loads(line)["cpu_seconds"]) for line in log.read_text().splitlines())


def evaluate(run: Run) -> tuple[dict[str, list[float]], ConflictReport]:
    """Accuracy by group of subnets, and gradient conflict, of a trained run."""
    device = resolve_device(run.device)
    checkpoint = run.folder / CHECKPOINT
    supernet = load_checkpoint(checkpoint, run.space).to(device)
    images = evaluation_images(
        run.data,
        run.dataset,
        space=run.space,
        checkpoint=checkpoint,
        val_images=run.budget.search_images,
        calibration_images=run.budget.calibration_images,
    )
    groups = scored_subnets(supernet.space, run.budget.subnets)
    if not SETTINGS[run.setting].has_hybrids:
        groups = {name: group for name, group in groups.items() if not any(s.vit_blocks for s in group)}
    return (
        accuracies(supernet, groups, images, device),
        final_conflict(supernet, images.calibration, device),
    )


def execute_all(runs: Sequence[Run], jobs: int, say: Callable[[str], None]) -> list[RunResult]:
    """Results of `runs` in their order; `jobs` runs execute at a time.

    Raises:
        H4HError: A run failed. Runs in progress are stopped first, and their progress is kept.
    """
    results = {number: run.finished() for number, run in enumerate(runs)}
    missing = [number for number, result in results.items() if result is None]
    if len(missing) < len(runs):
        say(f"{len(runs) - len(missing)} of {len(runs)} runs are finished already")
    # Threads, since most of a run is a process of its own.
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(execute, runs[number]): number for number in missing}
        try:
            for future in as_completed(futures):
                number = futures[future]
                results[number] = result = future.result()
                mean = np.mean(result.accuracy[Family.CNN.value])
                say(f"{result.setting}, seed {result.seed}: mean CNN {mean:.1f} %, {result.seconds:.0f} s")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [result for result in results.values() if result is not None]


def plan(
    budget: Budget, *, data: Path, dataset: str | None, content: str, runs: Path, device: str, threads: int
) -> list[Run]:
    """All runs of a budget, seed by seed, so that an interrupted ablation can be compared."""
    return [
        Run(setting, seed, budget, data, dataset, content, runs / f"{setting}-{seed}", device, threads)
        for seed in range(max(budget.seeds, budget.main_seeds))
        for setting in SETTINGS
        if seed < (budget.main_seeds if SETTINGS[setting].is_main else budget.seeds)
    ]
