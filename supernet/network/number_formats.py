"""Devices and number formats: the meaning of `auto`, and bf16 on CPUs that cannot multiply it.

torch computes bf16 convolutions on such a CPU with reference kernels that are far slower than those in
float32 (`benchmarks/supernet/cpu_kernels.py`). Layers of the supernet compute their products in float32
there and round the result to bf16, as native instructions do apart from the order of their sums.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch

from search_space.errors import H4HError, UnknownNameError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
"""Number formats for training and evaluation."""
INT8 = "int8"
"""Number format of deployment: 8-bit integers, simulated in float32 (`accuracy/int8_network.py`)."""
SCORED_IN = {**PRECISIONS, INT8: torch.float32}
"""Number formats that can score subnets, with the dtype of their images."""
EMULATED, EMULATED_PLAIN = 1.4, 11
"""Time in emulated bf16 over that in float32, for supernets and for the training of plain networks
(`benchmarks/supernet/cpu_kernels.py`)."""
_LIMITS_WITHOUT_BF16 = ("AVX512_CORE", "AVX512_CORE_VNNI")
"""Values of ``ONEDNN_MAX_CPU_ISA`` with AVX-512 but without bf16."""


def _multiplies_bf16() -> bool:
    """Whether this CPU multiplies bf16 natively and the environment lets torch and oneDNN use that."""
    if not (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return False
    # Both are less than what the CPU has under ATEN_CPU_CAPABILITY and ONEDNN_MAX_CPU_ISA.
    if not torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        return False
    is_there: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if not is_there or not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    return os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() not in _LIMITS_WITHOUT_BF16


_CPU_MULTIPLIES_BF16 = _multiplies_bf16()
"""Settled once, as torch and oneDNN read the environment once."""


def kernel_instructions() -> str:
    """The instructions of this CPU that kernels use, e.g. ``AVX2``; others round in another way."""
    name: str = torch.backends.cpu.get_cpu_capability()
    return f"{name} with bf16" if _CPU_MULTIPLIES_BF16 else name


def is_bf16_native(device: torch.device) -> bool:
    """Whether `device` multiplies bf16 natively; the one place that decides it.

    Respects the limits ``ATEN_CPU_CAPABILITY`` and ``ONEDNN_MAX_CPU_ISA``, so that a CPU with AVX-512 takes
    the path of one without.
    """
    if device.type == "cuda":
        is_supported: bool = torch.cuda.is_bf16_supported(including_emulation=False)
        return is_supported
    return device.type == "cpu" and _CPU_MULTIPLIES_BF16


def is_widened(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether products of `dtype` on `device` are computed in float32 and rounded to `dtype`.

    ``meta`` stands for the CPU, as weights there are for counting.
    """
    if _CPU_MULTIPLIES_BF16 or dtype is not torch.bfloat16 or device.type not in ("cpu", "meta"):
        return False
    # Autocast would round the operands again and leave the products to torch.
    return not torch.is_autocast_enabled("cpu")


def is_emulated(precision: str, device: torch.device) -> bool:
    """Whether a number format costs more than float32 on `device`, since it has no instructions for it."""
    return precision == "bf16" and device.type == "cpu" and not is_bf16_native(device)


def emulation_warning(precision: str, device: torch.device, *, plain: bool = False) -> str:
    """One line for users who chose bf16 on a CPU that emulates it; empty everywhere else.

    Args:
        precision: The number format that is used, none of ``auto``.
        device: Where to compute.
        plain: Whether a plain network is trained, whose layers are torch's own, instead of a supernet.
    """
    if not is_emulated(precision, device):
        return ""
    factor = EMULATED_PLAIN if plain else EMULATED
    return (
        f"warning: this CPU has no bf16 instructions, so --precision bf16 takes about {factor:g} times as "
        f"long as --precision fp32, which is recommended here"
    )


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

    bf16 without native instructions is emulated and slower than fp32, see `emulation_warning`.

    Args:
        name: Name that the user gave.
        device: Device of the computation.
        known: Allowed names besides ``auto``.

    Raises:
        UnknownNameError: `name` is neither ``auto`` nor one of `known`.
    """
    if name == "auto":
        return "bf16" if is_bf16_native(device) else "fp32"
    if name not in known:
        raise UnknownNameError("precision", name, ("auto", *known))
    return name
