"""Devices and number formats, and the meaning of `auto` on this machine."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from search_space.errors import H4HError, UnknownNameError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
"""Number formats for training and evaluation."""
INT8 = "int8"
"""Number format of deployment: 8-bit integers, simulated in float32 (`accuracy/int8_network.py`)."""
SCORED_IN = {**PRECISIONS, INT8: torch.float32}
"""Number formats that can score subnets, with the dtype of their images."""


def resolve_device(name: str) -> torch.device:
    """``auto`` -> the GPU where there is one, else the CPU; any other name as torch reads it.

    Raises:
        H4HError: torch knows no such device, or cannot use it here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UnknownNameError("device", name, ("auto", "cpu", "cuda")) from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise H4HError(f"device {name!r} is not available on this machine: use cpu or auto")
    return device


def resolve_precision(name: str, device: torch.device, known: Mapping[str, torch.dtype] = PRECISIONS) -> str:
    """``auto`` -> bf16 where the device multiplies bf16 natively, else fp32.

    bf16 without native instructions is emulated and slower than fp32.

    Args:
        name: Name that the user gave.
        device: Device of the computation.
        known: Allowed names beside ``auto``.

    Raises:
        UnknownNameError: `name` is neither ``auto`` nor one of `known`.
    """
    if name == "auto":
        if device.type == "cuda":
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return "bf16" if native else "fp32"
    if name not in known:
        raise UnknownNameError("precision", name, ("auto", *known))
    return name
