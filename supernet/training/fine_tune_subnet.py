"""Extraction and fine-tuning of a subnet: from checkpoint, genotype and data to a network file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from search_space import complexity
from search_space.errors import H4HError
from search_space.files.whole_file import whole_file
from search_space.genotype import to_text
from supernet.accuracy import one_subnet
from supernet.checkpoints.header import read_header
from supernet.checkpoints.image_input import supernet_image_input
from supernet.checkpoints.tensor_file import file_digest
from supernet.images import cifar10
from supernet.images.data_sets import open_data
from supernet.images.labelled_images import Images
from supernet.network.extraction import extract, folded, save_extracted
from supernet.network.freed_memory import keep_freed_memory
from supernet.network.number_formats import resolve_device, resolve_precision
from supernet.network.supernet_file import load_checkpoint
from supernet.training.plain_trainer import FineTuning, make_recipe
from supernet.training.run_folder import STATE
from supernet.training.single_network_run import accuracies, accuracies_text, train_to_the_end
from supernet.training.soft_labels import fitting_soft_labels

NETWORK = "network.safetensors"
RESULT = "result.json"

INHERITED = ("flip", "class_weights")
"""Settings whose default is that of the supernet's training."""


def fine_tune_subnet(
    out: Path,
    *,
    checkpoint: Path,
    subnet: str,
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
    say: Callable[[str], None],
) -> Path:
    """Extracts a subnet and trains it, or resumes its training from the state in `out`.

    Args:
        out: Folder of the network, the result and the state.
        checkpoint: File of the supernet.
        subnet: ``max``, ``min``, or a genotype as text.
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
        say: Receives each line of the report.

    Returns:
        File of the network.

    Raises:
        H4HError: Input is wrong or does not fit, or the loss is not finite.
    """
    state = out / STATE
    if out.exists() and not out.is_dir():
        raise H4HError(f"--out must be a folder, but {out} is a file")
    if epochs == 0 and state.exists():
        raise H4HError(
            f"--epochs 0 would replace the network that was trained in {out}: choose another --out"
        )
    keep_freed_memory()
    used_device = resolve_device(device)
    # Without epochs there is no phase to train, but wrong values are reported all the same.
    trained = supernet_image_input(checkpoint)
    inherited = {name: getattr(trained, name) for name in INHERITED if settings.get(name) is None}
    recipe = make_recipe(epochs=epochs or 1, rate=rate, **{**settings, **inherited})
    resolve_precision(recipe.precision, used_device)
    supernet = load_checkpoint(checkpoint).to(used_device)
    genotype = supernet.space.parse(subnet)
    decoded = supernet.space.decode(genotype)

    data_set = open_data(data, dataset, supernet.space, like=checkpoint)
    parts = data_set.split_like(read_header(checkpoint).get("data"))
    recorded = data_set.recorded(parts)
    images = data_set.train.subset(parts.train)
    evaluated: dict[str, Images] = {}
    if split != "test":
        evaluated["search"] = data_set.train.subset(parts.search)
    if split != "search":
        evaluated["test"] = data_set.read_test()
    calibration = one_subnet.prepare(
        data_set.train.subset(parts.train[: cifar10.CALIBRATION_IMAGES]), precision="fp32", device=used_device
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
    before = after = accuracies(network, evaluated, used_device)
    say(str(decoded))
    say(f"before: {accuracies_text(before)}")

    def save_network() -> None:
        written = folded(network) if fold_batch_norm else network
        save_extracted(
            out / NETWORK,
            written,
            space=supernet.space,
            data=recorded,
            images=data_set.trained_by(recipe.flip, recipe.class_weights),
        )

    if tuning is not None:
        train_to_the_end(tuning, state, save_network, Console(highlight=False, markup=False, emoji=False))
        after = accuracies(network, evaluated, used_device)
        say(f"after:  {accuracies_text(after)}")
    save_network()
    record = {
        "checkpoint": str(checkpoint),
        "genotype": to_text(genotype),
        "subnet": str(decoded),
        "macs": complexity.macs(decoded),
        "params": complexity.params(decoded),
        "recipe": recipe.to_dict() if epochs else None,
        "before": before,
        "after": after,
    }
    with whole_file(out / RESULT) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n")
    return out / NETWORK
