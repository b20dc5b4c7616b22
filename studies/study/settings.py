"""Settings of a study."""

from __future__ import annotations

from typing import Any

from objectives.hardware import MAPPINGS
from objectives.hardware.npu_model import NPU_MODELS
from supernet.accuracy.memory_budget import DEFAULT_MEMORY

DEFAULT_SPACE = "cifar32"
SEARCH_DEFAULTS: dict[str, Any] = {
    "sampler": "nsga2",
    "prefer": [],
    "population": 24,
    "seed": 0,
    "seed_subnets": None,
    "warm_start": None,
}
STOP_DEFAULTS: dict[str, Any] = {"generations": None, "evaluations": None, "minutes": None, "patience": None}
DEFAULT_GENERATIONS = 12
PREFERRING = "rnsga2"
"""The sampler that searches near preferred values."""
PREDICTING = "surrogate"
"""The sampler that searches predicted networks, and so wants exact costs of many."""
WARM_START = "warm start"
"""Key in a study's fingerprint under which the name of the earlier study stands."""
CARRIED = "warm_start_subnets"
"""Key in a study's settings under which the networks stand that its warm start took over."""
DEFAULTS: dict[str, Any] = {
    "objectives": "acc,lat,energy",
    "space": None,
    "hardware": "u55-256-cim8",
    "macros": None,
    "units": None,
    "search_hardware": None,
    "npu_model": NPU_MODELS[0],
    "mapping": MAPPINGS[0],
    **SEARCH_DEFAULTS,
    **STOP_DEFAULTS,
    "checkpoint": None,
    "data": None,
    "dataset": None,
    "val_images": None,
    "calibration_images": None,
    "device": "cpu",
    "precision": "fp32",
    "memory": DEFAULT_MEMORY,
    "racing": False,
    "workers": None,
    "dask": None,
}
