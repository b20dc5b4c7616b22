"""Serialisation of objectives for workers: tensors as one raw buffer, the rest pickled.

Processes of one machine map the buffer (the block) from a file, so they share one copy of weights and images.
Parcels only travel between running processes and are never stored.
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
"""Alignment of tensors in bytes, as vector instructions prefer it."""


@dataclass(frozen=True)
class Layout:
    """Position and form of a tensor in the block.

    Attributes:
        offset: Bytes from the start of the block.
        dtype: Name of torch's type, e.g. ``float32``.
        shape: Shape in the order of memory, outermost dimension first.
        order: Index into `shape` of each dimension of the tensor.
        device: Device of the tensor.
        is_parameter: Whether the tensor is a parameter of a module.
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
        layouts: Position and form of each tensor.
    """

    content: bytes
    layouts: tuple[Layout, ...]

    def unpack(self, block: bytearray | memoryview) -> Any:
        """The object. Its CPU tensors are views of `block`, which must be writable but is not written."""
        return _Unpickler(self, block).load()


def pack(content: object) -> tuple[Parcel, Iterator[bytes]]:
    """A parcel and the pieces of its block, in order."""
    buffer = io.BytesIO()
    pickler = _Pickler(buffer)
    pickler.dump(content)
    return Parcel(buffer.getvalue(), tuple(pickler.layouts)), _pieces(pickler.tensors)


def _pieces(tensors: list[Tensor]) -> Iterator[bytes]:
    if not tensors:  # The import takes seconds.
        return
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
        torch = sys.modules.get("torch")  # Without the import there are no tensors.
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
