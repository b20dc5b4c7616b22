"""Extraction and fine-tuning of a subnet: from checkpoint, genotype and data to a network file.

The checkpoint may also hold one network, whose training then continues with new settings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from search_space import complexity
from search_space.errors import H4HError
from search_space.files.whole_file import whole_file
from search_space.genotype import Genotype, to_text
from supernet.accuracy import one_subnet
from supernet.checkpoints.header import FORMAT, NETWORK_FORMAT, read_header
from supernet.checkpoints.image_input import stored_image_input
from supernet.checkpoints.tensor_file import file_digest
from supernet.images import cifar10
from supernet.images.data_sets import open_data
from supernet.images.labelled_images import Images
from supernet.network.checkpoint_networks import CheckpointNetworks, load_networks
from supernet.network.extraction import extract, folded, load_extracted, save_extracted
from supernet.network.freed_memory import keep_freed_memory
from supernet.network.number_formats import resolve_device, resolve_precision
from supernet.training.epoch_log import EpochLog
from supernet.training.run_folder import STATE, check_run_folder
from supernet.training.single_network_run import (
    accuracies,
    accuracies_text,
    class_figures,
    show_by_class,
    train_to_the_end,
)
from supernet.training.single_network_trainer import FineTuning, make_recipe
from supernet.training.soft_labels import fitting_soft_labels

NETWORK = "network.safetensors"
RESULT = "result.json"

INHERITED = ("flip", "class_weights")
"""Settings whose default is that of the supernet's training."""


def fine_tune_subnet(
    out: Path,
    *,
    checkpoint: Path,
    subnet: str | None,
    data: Path,
    dataset: str | None,
    split: str,
    epochs: int,
    rate: float,
    settings: Mapping[str, Any],
    soft_labels: Path | None,
    fold_batch_norm: bool,
    device: str,
    workers: int,
    tensorboard: Path | None = None,
    say: Callable[[str], None],
) -> Path:
    """Extracts a subnet and trains it, or resumes its training from the state in `out`.

    Args:
        out: Folder of the network, the result and the state.
        checkpoint: File of a supernet, or of a network that was extracted before.
        subnet: ``max``, ``min``, or a genotype as text; None for an extracted network.
        data: Folder of the data set.
        dataset: Name of the data set if the folder holds several.
        split: Images that are scored: ``search``, ``test`` or ``both``.
        epochs: Number of epochs; 0 only extracts the subnet.
        rate: Peak learning rate.
        settings: Recipe settings by name. None for ``flip`` and ``class_weights`` takes the checkpoint's.
        soft_labels: File of stored soft labels.
        fold_batch_norm: Whether to fold batch norm into the weights of the written network.
        device: ``auto``, ``cpu`` or ``cuda``.
        workers: Number of processes that read image files.
        tensorboard: Folder of event files for TensorBoard; None for none.
        say: Receives each line of the report.

    Returns:
        File of the network.

    Raises:
        H4HError: Input is wrong or does not fit, or the loss is not finite.
    """
    state = out / STATE
    check_run_folder(out)
    if epochs == 0 and state.exists():
        raise H4HError(
            f"--epochs 0 would replace the network that was trained in {out}: choose another --out"
        )
    keep_freed_memory()
    used_device = resolve_device(device)
    # Without epochs there is no phase to train, but wrong values are reported all the same.
    trained = stored_image_input(checkpoint)
    inherited = {name: getattr(trained, name) for name in INHERITED if settings.get(name) is None}
    recipe = make_recipe(epochs=epochs or 1, rate=rate, **{**settings, **inherited})
    resolve_precision(recipe.precision, used_device)
    networks = load_networks(checkpoint)
    genotype = _genotype(networks, subnet)
    space = networks.supernet.space
    header = read_header(checkpoint, (FORMAT, NETWORK_FORMAT))

    data_set = open_data(data, dataset, networks.image_space, like=checkpoint)
    parts = data_set.split_like(header.get("data"))
    recorded = data_set.recorded(parts)
    images = data_set.train.subset(parts.train)
    evaluated: dict[str, Images] = {}
    if split != "test":
        evaluated["search"] = data_set.train.subset(parts.search)
    if split != "search":
        evaluated["test"] = data_set.read_test()
    if genotype is None:
        network = load_extracted(checkpoint).to(used_device)
        if network.folded and epochs:
            raise H4HError(
                f"the network in {checkpoint} has its batch norm folded, so it cannot be trained: give one "
                f"that was written without --fold-batch-norm"
            )
    else:
        decoded, supernet = space.decode(genotype), networks.supernet.to(used_device)
        calibration = one_subnet.prepare(
            data_set.train.subset(parts.train[: cifar10.CALIBRATION_IMAGES]),
            precision="fp32",
            device=used_device,
            scale=supernet.pixel_scale,
        )
        network = extract(supernet, decoded, one_subnet.record_statistics(supernet, decoded, calibration))
    tuning = None
    if epochs:
        tuning = FineTuning(
            network=network,
            images=images,
            recipe=recipe,
            device=used_device,
            origin=f"checkpoint {file_digest(checkpoint)[:12]} on images {recorded['split'][:12]}",
            workers=workers,
            soft_labels=fitting_soft_labels(soft_labels, images, recorded, recipe),
        )
    before = after = class_figures(network, evaluated, used_device)
    say(str(network.subnet))
    say(f"before: {accuracies_text(before)}")

    def save_network() -> None:
        written = folded(network) if fold_batch_norm else network
        save_extracted(
            out / NETWORK,
            written,
            space=space if genotype is not None else header["space"],
            data=recorded,
            images=data_set.trained_by(recipe.flip, recipe.class_weights),
        )

    if tuning is not None:
        search = data_set.train.subset(parts.search)
        console = Console(highlight=False, markup=False, emoji=False)
        with EpochLog(out, tensorboard) as log:
            train_to_the_end(tuning, state, save_network, console, search, log)
        after = class_figures(network, evaluated, used_device)
        say(f"after:  {accuracies_text(after)}")
    show_by_class(after, data_set.class_names, say)
    save_network()
    record = {
        "checkpoint": str(checkpoint),
        "genotype": None if genotype is None else to_text(genotype),
        "subnet": str(network.subnet),
        "macs": complexity.macs(network.subnet),
        "params": complexity.params(network.subnet),
        "recipe": recipe.to_dict() if epochs else None,
        "before": accuracies(before),
        "after": accuracies(after),
        "by_class": {split: figures.to_json(data_set.class_names) for split, figures in after.items()},
    }
    with whole_file(out / RESULT) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n")
    return out / NETWORK


def _genotype(networks: CheckpointNetworks, subnet: str | None) -> Genotype | None:
    """The subnet to extract; None if the checkpoint holds one network."""
    if networks.network is None:
        if subnet is None:
            raise H4HError(
                f"{networks.path} holds a supernet: choose one of its networks by --subnet max, min or a "
                f"genotype"
            )
        return networks.supernet.space.parse(subnet)
    if subnet is not None:
        raise H4HError(f"--subnet is for supernets, but {networks.path} holds one network: leave it out")
    return None
