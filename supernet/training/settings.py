"""Settings of a training."""

from __future__ import annotations

import os

MOST_WORKERS = 16


HELP = {
    "seed": "of weights, order, augmentation and subnets",
    "batch": "images per step, over all processes",
    "accumulate": "parts into which a batch is cut to save memory; batch norm sees one part at a time",
    "precision": "of activations; auto is bf16 where the device multiplies it natively",
    "optimizer": "sgd has Nesterov's momentum",
    "momentum": "of sgd",
    "weight_decay": "of matrices and kernels",
    "clip": "largest norm of a step's gradient; 0 for none",
    "schedule": "of the learning rate after warm-up",
    "warm_up_epochs": "epochs of warm-up in each phase",
    "label_smoothing": "of the largest subnet's targets",
    "distillation": "of the largest subnet into the others",
    "conflict": "how the largest subnet's gradient joins the others'; project is NASViT's",
    "drop_path": "chance that the largest subnet's last residual branch is dropped",
    "ema": "decay per step of the running average of the weights that is saved; 0 for none",
    "crop_padding": "pixels around images of small data sets before the random crop",
    "crop_scale": "smallest share of its area that a random crop takes of an image of a folder",
    "rand_augment": "operations of RandAugment per image",
    "magnitude": "of RandAugment, 0 to 30",
    "mixup": "alpha of mixup; 0 for none",
    "cutmix": "alpha of cutmix; 0 for none",
}


def reading_processes(wanted: int | None) -> int:
    """How many processes read image files: as told, else one per core, shared among torchrun's processes."""
    if wanted is not None:
        return wanted
    return min(MOST_WORKERS, (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
