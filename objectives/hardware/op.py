"""Ops of a workload: int8 operations with shapes, multiply-accumulates and bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Self

import numpy as np

from search_space.arrays import Booleans, Floats, Integers
from search_space.errors import H4HError, UnknownNameError

KINDS = (
    *("conv2d", "depthwise", "linear", "matmul", "softmax", "norm", "activation", "add", "pool"),
    *("max_pool", "mean", "mul", "resize", "bilinear", "copy", "pad", "depth_multiplier"),
)
_CODES = {kind: code for code, kind in enumerate(KINDS)}
_WINDOWED = ("conv2d", "depthwise", "depth_multiplier", "pool", "max_pool", "resize")
_SIZED = (*_WINDOWED, "bilinear", "pad")
"""Kinds whose output may have any height and width."""
_KEEPS_CHANNELS = ("depthwise", "pool", "max_pool", "mean", "resize", "copy", "pad")
_ONE_COLUMN = ("matmul", "softmax")
_HEADED = ("linear", "matmul", "softmax")


class InvalidOpError(H4HError):
    """The fields of an op contradict each other or are out of range."""


@dataclass(frozen=True)
class Op:
    """One int8 operation, batch 1.

    | kind | work |
    |---|---|
    | conv2d | kernel x kernel_width window, "same" padding unless the output has another size |
    | depthwise | the same for each channel separately |
    | linear | height x width tokens, each in_channels -> out_channels; over n tokens height n, width 1 |
    | matmul | `heads` products (height x in_channels) by (in_channels x out_channels), transposes included |
    | softmax | over out_channels, in heads x height rows |
    | norm, activation, add | height x width x out_channels elements: layer norm, GELU by table, sum of two |
    | pool, max_pool | mean or maximum over a kernel x kernel_width window |
    | mean | over all rows and columns, computed in 32 bits |
    | mul | product of two maps, element by element |
    | resize | repeats rows and columns, then a mean over a kernel x kernel window; 1 for nearest neighbour |
    | bilinear | to twice the height and width, into a map of out_channels; in_channels unless it is a part |
    | copy | of a map into a larger one, such as a concatenation |
    | pad | zeros around a map, which itself is already in place |
    | depth_multiplier | a depthwise convolution with several output channels for each input channel |

    A field at its default says what the searched networks have: square windows and "same" padding. Networks
    read from files have the others.

    Attributes:
        kind: One of `KINDS`.
        height: Rows of the input.
        width: Columns of the input.
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Height of the window (conv2d, depthwise, pool, max_pool, resize).
        stride: Step of the window (the same kinds, but for resize).
        heads: Products of a matmul, maps of a softmax. For a linear layer above 1 it is the joint
            q/k/v projection of that many heads, which is divided between devices in whole heads.
        fused_gelu: A linear layer whose outputs go through GELU.
        kernel_width: Width of the window; 0 for a square one.
        out_height: Rows of the output; 0 for those of "same" padding.
        out_width: Columns of the output; 0 for those of "same" padding.

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
    kernel_width: int = 0
    out_height: int = 0
    out_width: int = 0

    def __post_init__(self) -> None:
        if self.kind not in _CODES:
            raise UnknownNameError("op kind", str(self.kind), KINDS)
        for name in ("height", "width", "in_channels", "out_channels", "kernel", "stride", "heads"):
            self._check_whole(name, least=1)
        if self.kernel_width or self.out_height or self.out_width:
            self._check_sizes()
        if self.kind not in _WINDOWED and (self.kernel, self.stride) != (1, 1):
            raise InvalidOpError(
                f"{self.kind}: `kernel` and `stride` must be 1, but got {self.kernel} and {self.stride}"
            )
        if self.kind in _KEEPS_CHANNELS and self.in_channels != self.out_channels:
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
        if self.kind == "depth_multiplier" and self.out_channels % self.in_channels:
            raise InvalidOpError(
                f"depth_multiplier: `out_channels` must be a multiple of `in_channels`, but got "
                f"{self.out_channels} and {self.in_channels}"
            )
        if self.fused_gelu and self.kind != "linear":
            raise InvalidOpError(f"{self.kind}: `fused_gelu` needs kind 'linear'")

    def _check_whole(self, name: str, *, least: int) -> None:
        value = getattr(self, name)
        if type(value) is int and value >= least:
            return
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            sign = "positive" if least else "non-negative"
            raise InvalidOpError(f"{self.kind}: `{name}` must be a {sign} integer, but got {value!r}")
        object.__setattr__(self, name, int(value))  # numpy integers in, Python integers out

    def _check_sizes(self) -> None:
        """Checks window and output size; values that say what the default says become the default."""
        for name in ("kernel_width", "out_height", "out_width"):
            self._check_whole(name, least=0)
        if self.kernel_width and self.kind not in _WINDOWED:
            raise InvalidOpError(f"{self.kind}: `kernel_width` must be 0, but got {self.kernel_width}")
        if (self.out_height or self.out_width) and self.kind not in _SIZED:
            raise InvalidOpError(
                f"{self.kind}: `out_height` and `out_width` must be 0, but got {self.out_height} and "
                f"{self.out_width}"
            )
        defaults = {
            "kernel_width": self.kernel,
            "out_height": -(-self.height // self.stride),
            "out_width": -(-self.width // self.stride),
        }
        for name, value in defaults.items():
            if getattr(self, name) == value:
                object.__setattr__(self, name, 0)

    @property
    def window(self) -> tuple[int, int]:
        """Height and width of the window."""
        return self.kernel, self.kernel_width or self.kernel

    @property
    def out_size(self) -> tuple[int, int]:
        """Rows and columns of the output."""
        if self.kind == "mean":
            return 1, 1
        return (
            self.out_height or -(-self.height // self.stride),
            self.out_width or -(-self.width // self.stride),
        )

    @property
    def positions(self) -> int:
        """Output positions: pixels, tokens or rows of one head."""
        rows, columns = self.out_size
        return rows * columns

    @property
    def _taps(self) -> int:
        return self.kernel * (self.kernel_width or self.kernel)

    @property
    def macs(self) -> int:
        """Multiply-accumulates; 0 for kinds without products."""
        match self.kind:
            case "conv2d" | "linear":
                return self.positions * self._taps * self.in_channels * self.out_channels
            case "depthwise" | "depth_multiplier":
                return self.positions * self._taps * self.out_channels
            case "matmul":
                return self.heads * self.height * self.in_channels * self.out_channels
        return 0

    @property
    def weight_bytes(self) -> int:
        """Trained int8 weights, uncompressed, without biases."""
        match self.kind:
            case "conv2d" | "linear":
                return self._taps * self.in_channels * self.out_channels
            case "depthwise" | "depth_multiplier":
                return self._taps * self.out_channels
        return 0

    @property
    def input_bytes(self) -> int:
        """Activation bytes read, of both operands of a matmul or add."""
        match self.kind:
            case "conv2d" | "linear" | "depth_multiplier" | "bilinear":
                return self.height * self.width * self.in_channels
            case "matmul":
                return self.heads * self.in_channels * (self.height + self.out_channels)
            case "softmax":
                return self.output_bytes
            case "add" | "mul":
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
        high, wide = self.window
        text += f" k{high}x{wide}" if high != wide else f" k{high}" if high > 1 else ""
        text += f" s{self.stride}" if self.stride > 1 else ""
        if self.out_height or self.out_width:
            text += " to {}x{}".format(*self.out_size)
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
    kernel_width: Floats
    out_height: Floats
    out_width: Floats

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
                op.kernel_width,
                op.out_height,
                op.out_width,
            )
            for op in ops
        ]
        table = np.array(rows, dtype=np.float64).reshape(len(rows), 12)  # (n, 12)
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
            kernel_width=table[:, 9],
            out_height=table[:, 10],
            out_width=table[:, 11],
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
        """The same ops with other numbers of output channels, and of input channels where they are equal."""
        follows = self.is_kind(*_KEEPS_CHANNELS)
        columns = dict(vars(self))
        columns["out_channels"] = out_channels
        columns["in_channels"] = np.where(follows, out_channels, self.in_channels)
        return OpArrays(**columns)

    @property
    def window_width(self) -> Floats:
        """Width of the window (n,)."""
        return np.where(self.kernel_width > 0, self.kernel_width, self.kernel)

    @property
    def taps(self) -> Floats:
        """Elements of the window (n,)."""
        return self.kernel * self.window_width

    @property
    def out_rows(self) -> Floats:
        """Rows of the output (n,)."""
        rows = np.where(self.out_height > 0, self.out_height, np.ceil(self.height / self.stride))
        return np.where(self.is_kind("mean"), 1.0, rows)

    @property
    def out_columns(self) -> Floats:
        """Columns of the output (n,)."""
        columns = np.where(self.out_width > 0, self.out_width, np.ceil(self.width / self.stride))
        return np.where(self.is_kind("mean"), 1.0, columns)

    @property
    def positions(self) -> Floats:
        """Output positions (n,)."""
        return self.out_rows * self.out_columns

    @property
    def depth(self) -> Floats:
        """Products summed into one output element (n,): the window size for depthwise and pool."""
        per_channel = self.is_kind("depthwise", "depth_multiplier", "pool")
        return self.taps * np.where(per_channel, 1.0, self.in_channels)

    @property
    def macs(self) -> Floats:
        """Multiply-accumulates (n,), as `Op.macs`."""
        maps = np.where(self.is_kind("matmul"), self.heads, 1.0)
        has_macs = self.is_kind("conv2d", "depthwise", "depth_multiplier", "linear", "matmul")
        return np.where(has_macs, maps * self.positions * self.depth * self.out_channels, 0.0)

    @property
    def weight_bytes(self) -> Floats:
        """Weight bytes (n,), as `Op.weight_bytes`."""
        has_weights = self.is_kind("conv2d", "depthwise", "depth_multiplier", "linear")
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
                self.is_kind("conv2d", "linear", "depth_multiplier", "bilinear"),
                self.is_kind("matmul"),
                self.is_kind("softmax"),
                self.is_kind("add", "mul"),
            ],
            [linear, product, self.output_bytes, 2.0 * self.output_bytes],
            default=pixels * self.out_channels,
        )


def op_of(row: tuple[int, ...]) -> Op:
    """The op of a row of `OpArrays.rows`; a linear layer loses its heads."""
    kind, height, width, in_channels, out_channels, kernel, stride, heads, gelu, *sizes = row
    name = KINDS[kind]
    # A share of a joint projection need not be whole heads for each matrix.
    heads = 1 if name == "linear" else heads
    return Op(name, height, width, in_channels, out_channels, kernel, stride, heads, bool(gelu), *sizes)
