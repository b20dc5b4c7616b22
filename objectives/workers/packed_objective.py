"""Serialisation of objectives for workers: tensors as one raw buffer, the rest pickled.

Processes of one machine map the block from a file, so that the system holds weights and images in memory once
for all of them. Parcels go from a process to those it works with and are never kept.
"""

from __future__ import annotations

import io
import math
import pickle
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_ALIGNMENT = 64
"""Bytes; what vector instructions like to load from."""


@dataclass(frozen=True)
class Layout:
    """Where a tensor lies in the block.

    Attributes:
        offset: Bytes from the start.
        dtype: Name of torch's type, e.g. ``float32``.
        shape: In the order of memory, outermost dimension first.
        order: The dimension of that shape which each dimension of the tensor is.
        device: Where it is to be used.
        is_parameter: Whether it is a parameter of a module.
    """

    offset: int
    dtype: str
    shape: tuple[int, ...]
    order: tuple[int, ...]
    device: str
    is_parameter: bool


@dataclass(frozen=True)
class Parcel:
    """A packed object, without its tensors.

    Attributes:
        content: The object, pickled, with numbers in place of its tensors.
        layouts: Where each tensor lies in the block.
    """

    content: bytes
    layouts: tuple[Layout, ...]

    def unpack(self, block: bytearray | memoryview) -> Any:
        """The object, its CPU tensors being views of `block`, which must be writable and is not written."""
        return _Unpickler(self, block).load()


def pack(content: object) -> tuple[Parcel, Iterator[bytes]]:
    """A parcel and the pieces of its block, in order."""
    buffer = io.BytesIO()
    pickler = _Pickler(buffer)
    pickler.dump(content)
    return Parcel(buffer.getvalue(), tuple(pickler.layouts)), _pieces(pickler.tensors)


def _pieces(tensors: list[Tensor]) -> Iterator[bytes]:
    import torch

    for tensor in tensors:
        in_order = tensor.detach().cpu().permute(_memory_order(tensor)).contiguous()
        piece = in_order.flatten().view(torch.uint8).numpy().tobytes()
        yield piece + _padding(len(piece))


def _padding(size: int) -> bytes:
    return bytes(-size % _ALIGNMENT)


def _memory_order(tensor: Tensor) -> list[int]:
    """Dimensions from the outermost in memory to the innermost."""
    return sorted(range(tensor.dim()), key=tensor.stride, reverse=True)


class _Pickler(pickle.Pickler):
    def __init__(self, buffer: io.BytesIO) -> None:
        super().__init__(buffer, protocol=pickle.HIGHEST_PROTOCOL)
        self.tensors: list[Tensor] = []
        self.layouts: list[Layout] = []
        self._end = 0

    def persistent_id(self, item: object) -> int | None:
        torch = sys.modules.get("torch")  # Not imported: then there is no tensor.
        if torch is None or not isinstance(item, torch.Tensor):
            return None
        order = _memory_order(item)
        self.layouts.append(
            Layout(
                offset=self._end,
                dtype=str(item.dtype).removeprefix("torch."),
                shape=tuple(item.shape[dim] for dim in order),
                order=tuple(order.index(dim) for dim in range(item.dim())),
                device=str(item.device),
                is_parameter=isinstance(item, torch.nn.Parameter),
            )
        )
        size: int = item.numel() * item.element_size()
        self._end += size + len(_padding(size))
        self.tensors.append(item)
        return len(self.tensors) - 1


class _Unpickler(pickle.Unpickler):
    def __init__(self, parcel: Parcel, block: bytearray | memoryview) -> None:
        super().__init__(io.BytesIO(parcel.content))
        self._layouts = parcel.layouts
        self._block = block

    def persistent_load(self, number: int) -> Tensor:
        import torch

        layout = self._layouts[number]
        dtype = getattr(torch, layout.dtype)
        count = math.prod(layout.shape)
        if count == 0:
            flat = torch.empty(0, dtype=dtype)
        else:
            flat = torch.frombuffer(self._block, dtype=dtype, count=count, offset=layout.offset)
        tensor = flat.view(layout.shape).permute(layout.order).to(layout.device)
        return torch.nn.Parameter(tensor, requires_grad=False) if layout.is_parameter else tensor
