"""Prints as JSON whether this process multiplies bf16 natively, and what ``auto`` stands for in it."""

from __future__ import annotations

import json

import torch

from supernet.network.number_formats import is_bf16_native, resolve_precision

CPU = torch.device("cpu")

if __name__ == "__main__":
    print(json.dumps({"is_native": is_bf16_native(CPU), "auto": resolve_precision("auto", CPU)}))
