"""Devices and number formats: what `auto` stands for."""

from __future__ import annotations

import torch

from search_space.errors import H4HError, UnknownNameError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


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


def resolve_precision(name: str, device: torch.device) -> str:
    """``auto`` -> bf16 where the device multiplies bf16 natively, else fp32.

    bf16 without native instructions is emulated and slower than fp32.

    Raises:
        UnknownNameError: `name` is neither ``auto`` nor a known precision.
    """
    if name == "auto":
        if device.type == "cuda":
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
        native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return "bf16" if native else "fp32"
    if name not in PRECISIONS:
        raise UnknownNameError("precision", name, ("auto", *PRECISIONS))
    return name
