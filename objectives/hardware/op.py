"""Ops of a workload: int8 operations with shapes, multiply-accumulates and bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Self

import numpy as np

from search_space.arrays import Booleans, Floats, Integers
from search_space.errors import H4HError, UnknownNameError

KINDS = ("conv2d", "depthwise", "linear", "matmul", "softmax", "norm", "activation", "add", "pool")
_CODES = {kind: code for code, kind in enumerate(KINDS)}
_WINDOWED = ("conv2d", "depthwise", "pool")
_ONE_COLUMN = ("matmul", "softmax")
_HEADED = ("linear", "matmul", "softmax")


class InvalidOpError(H4HError):
    """The fields of an op contradict each other or are out of range."""


@dataclass(frozen=True)
class Op:
    """One int8 operation, batch 1.

    | kind | work |
    |---|---|
    | conv2d | kernel x kernel window, "same" padding |
    | depthwise | the same for each channel separately |
    | linear | height x width tokens, each in_channels -> out_channels; over n tokens height n, width 1 |
    | matmul | `heads` products (height x in_channels) by (in_channels x out_channels), transposes included |
    | softmax | over out_channels, in heads x height rows |
    | norm, activation, add | height x width x out_channels elements: layer norm, GELU by table, sum of two |
    | pool | mean over a kernel x kernel window |

    Attributes:
        kind: One of `KINDS`.
        height: Rows of the input.
        width: Columns of the input.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Side of the window (conv2d, depthwise, pool).
        stride: Step of the window (conv2d, depthwise, pool).
        heads: Products of a matmul, maps of a softmax. For a linear layer above 1 it is the joint
            q/k/v projection of that many heads, which is divided between devices in whole heads.
        fused_gelu: A linear layer whose outputs go through GELU.

    Raises:
        UnknownNameError: `kind` is not one of `KINDS`.
        InvalidOpError: Any other field is wrong.
    """

    kind: str
    height: int
    width: int
    in_channels: int
    out_channels: int
    kernel: int = 1
    stride: int = 1
    heads: int = 1
    fused_gelu: bool = False

    def __post_init__(self) -> None:
        if self.kind not in _CODES:
            raise UnknownNameError("op kind", str(self.kind), KINDS)
        for name in ("height", "width", "in_channels", "out_channels", "kernel", "stride", "heads"):
            value = getattr(self, name)
            if type(value) is int and value > 0:
                continue
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                raise InvalidOpError(f"{self.kind}: `{name}` must be a positive integer, but got {value!r}")
            object.__setattr__(self, name, int(value))  # numpy integers in, Python integers out
        if self.kind not in _WINDOWED and (self.kernel, self.stride) != (1, 1):
            raise InvalidOpError(
                f"{self.kind}: `kernel` and `stride` must be 1, but got {self.kernel} and {self.stride}"
            )
        if self.kind in ("depthwise", "pool") and self.in_channels != self.out_channels:
            raise InvalidOpError(
                f"{self.kind}: `in_channels` must equal `out_channels`, but got {self.in_channels} and "
                f"{self.out_channels}"
            )
        if self.kind in _ONE_COLUMN and self.width != 1:
            raise InvalidOpError(f"{self.kind}: `width` must be 1, but got {self.width}")
        if self.kind not in _HEADED and self.heads != 1:
            raise InvalidOpError(f"{self.kind}: `heads` must be 1, but got {self.heads}")
        if self.kind == "linear" and self.out_channels % self.heads:
            raise InvalidOpError(
                f"linear: `out_channels` must be a multiple of `heads`, but got {self.out_channels} and "
                f"{self.heads}"
            )
        if self.fused_gelu and self.kind != "linear":
            raise InvalidOpError(f"{self.kind}: `fused_gelu` needs kind 'linear'")

    @property
    def positions(self) -> int:
        """Output positions: pixels, tokens or rows of one head."""
        return -(-self.height // self.stride) * -(-self.width // self.stride)

    @property
    def macs(self) -> int:
        """Multiply-accumulates; 0 for softmax, norm, activation, add and pool."""
        match self.kind:
            case "conv2d" | "linear":
                return self.positions * self.kernel**2 * self.in_channels * self.out_channels
            case "depthwise":
                return self.positions * self.kernel**2 * self.out_channels
            case "matmul":
                return self.heads * self.height * self.in_channels * self.out_channels
        return 0

    @property
    def weight_bytes(self) -> int:
        """Trained int8 weights, uncompressed, without biases."""
        match self.kind:
            case "conv2d" | "linear":
                return self.kernel**2 * self.in_channels * self.out_channels
            case "depthwise":
                return self.kernel**2 * self.out_channels
        return 0

    @property
    def input_bytes(self) -> int:
        """Activation bytes read, of both operands of a matmul or add."""
        match self.kind:
            case "conv2d" | "linear":
                return self.height * self.width * self.in_channels
            case "matmul":
                return self.heads * self.in_channels * (self.height + self.out_channels)
            case "softmax":
                return self.output_bytes
            case "add":
                return 2 * self.output_bytes
        return self.height * self.width * self.out_channels

    @property
    def output_bytes(self) -> int:
        """Activation bytes written."""
        # The heads of a linear layer share its output channels; those of a product have their own.
        maps = self.heads if self.kind in _ONE_COLUMN else 1
        return maps * self.positions * self.out_channels

    @property
    def shape(self) -> str:
        """Shape as short text, e.g. ``16x16x32->192 k3 s2``."""
        text = f"{self.height}x{self.width}x{self.in_channels}->{self.out_channels}"
        text += f" k{self.kernel}" if self.kernel > 1 else ""
        text += f" s{self.stride}" if self.stride > 1 else ""
        text += f" h{self.heads}" if self.heads > 1 else ""
        return text + (" gelu" if self.fused_gelu else "")


@dataclass(frozen=True)
class OpArrays:
    """The fields of n ops as arrays of shape (n,): codes of kinds, and float64 numbers."""

    kind: Integers
    height: Floats
    width: Floats
    in_channels: Floats
    out_channels: Floats
    kernel: Floats
    stride: Floats
    heads: Floats
    fused_gelu: Booleans

    @classmethod
    def of(cls, ops: Sequence[Op]) -> Self:
        """Arrays of `ops` in order; empty arrays for no ops."""
        rows = [
            (
                _CODES[op.kind],
                op.height,
                op.width,
                op.in_channels,
                op.out_channels,
                op.kernel,
                op.stride,
                op.heads,
                op.fused_gelu,
            )
            for op in ops
        ]
        table = np.array(rows, dtype=np.float64).reshape(len(rows), 9)  # (n, 9)
        return cls(
            kind=table[:, 0].astype(np.int64),
            height=table[:, 1],
            width=table[:, 2],
            in_channels=table[:, 3],
            out_channels=table[:, 4],
            kernel=table[:, 5],
            stride=table[:, 6],
            heads=table[:, 7],
            fused_gelu=table[:, 8] > 0,
        )

    def __len__(self) -> int:
        return len(self.kind)

    def rows(self) -> list[tuple[int, ...]]:
        """The ops as tuples of integers, in the order of the fields; flags are 0 or 1."""
        return list(zip(*(column.astype(np.int64).tolist() for column in vars(self).values()), strict=True))

    def is_kind(self, *kinds: str) -> Booleans:
        """Mask (n,) of the ops whose kind is one of `kinds`."""
        return np.isin(self.kind, [_CODES[kind] for kind in kinds])

    def repeated(self, times: Integers) -> OpArrays:
        """Op i repeated `times[i]` times, in order."""
        return OpArrays(*(np.repeat(column, times) for column in vars(self).values()))

    def with_out_channels(self, out_channels: Floats) -> OpArrays:
        """The same ops with other numbers of output channels; depthwise and pool change both numbers."""
        follows = self.is_kind("depthwise", "pool")
        columns = dict(vars(self))
        columns["out_channels"] = out_channels
        columns["in_channels"] = np.where(follows, out_channels, self.in_channels)
        return OpArrays(**columns)

    @property
    def positions(self) -> Floats:
        """Output positions (n,)."""
        return np.ceil(self.height / self.stride) * np.ceil(self.width / self.stride)

    @property
    def depth(self) -> Floats:
        """Products summed into one output element (n,): the window size for depthwise and pool."""
        per_channel = self.is_kind("depthwise", "pool")
        return self.kernel**2 * np.where(per_channel, 1.0, self.in_channels)

    @property
    def macs(self) -> Floats:
        """Multiply-accumulates (n,), as `Op.macs`."""
        maps = np.where(self.is_kind("matmul"), self.heads, 1.0)
        has_macs = self.is_kind("conv2d", "depthwise", "linear", "matmul")
        return np.where(has_macs, maps * self.positions * self.depth * self.out_channels, 0.0)

    @property
    def weight_bytes(self) -> Floats:
        """Weight bytes (n,), as `Op.weight_bytes`."""
        has_weights = self.is_kind("conv2d", "depthwise", "linear")
        return np.where(has_weights, self.depth * self.out_channels, 0.0)

    @property
    def output_bytes(self) -> Floats:
        """Activation bytes written (n,), as `Op.output_bytes`."""
        maps = np.where(self.is_kind("matmul", "softmax"), self.heads, 1.0)
        return maps * self.positions * self.out_channels

    @property
    def input_bytes(self) -> Floats:
        """Activation bytes read (n,), as `Op.input_bytes`."""
        pixels = self.height * self.width
        linear = pixels * self.in_channels
        product = self.heads * self.in_channels * (self.height + self.out_channels)
        return np.select(
            [
                self.is_kind("conv2d", "linear"),
                self.is_kind("matmul"),
                self.is_kind("softmax"),
                self.is_kind("add"),
            ],
            [linear, product, self.output_bytes, 2.0 * self.output_bytes],
            default=pixels * self.out_channels,
        )


def op_of(row: tuple[int, ...]) -> Op:
    """The op of a row of `OpArrays.rows`; a linear layer loses its heads."""
    kind, height, width, in_channels, out_channels, kernel, stride, heads, gelu = row
    name = KINDS[kind]
    # A share of a joint projection need not be whole heads for each matrix.
    heads = 1 if name == "linear" else heads
    return Op(name, height, width, in_channels, out_channels, kernel, stride, heads, bool(gelu))
