"""Pieces in which feature maps pass through the buffers of a macro, and the room that they take.

A piece is a number of granules. Where windows overlap, a granule is the input of one row of outputs, and the
rows that the next piece needs again stay. Elsewhere it is the input of one output position. A map that fits
the buffer arrives whole; of a larger one, one piece is in use while the next arrives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from objectives.hardware.op import OpArrays
from search_space.arrays import Floats


@dataclass(frozen=True)
class Pieces:
    """How the input of an op falls into granules in one macro, arrays that broadcast to one shape.

    Attributes:
        map_bytes: All input bytes of the macro.
        granule_bytes: Input bytes of a granule.
        granule_positions: Output positions of a granule.
        rows: Granules of the whole map.
        kept_bytes: Bytes that stay besides: rows of a window, or the second operand of a product.
    """

    map_bytes: Floats
    granule_bytes: Floats
    granule_positions: Floats
    rows: Floats
    kept_bytes: Floats

    @classmethod
    def of(cls, ops: OpArrays, channels: Floats, heads: Floats | None = None) -> Pieces:
        """Granules of `ops`.

        Args:
            ops: n ops.
            channels: Output channels of a macro, to the shape of the result.
            heads: Heads of a macro where the ops are products or softmax; the second operand of the next
                head arrives while one is in use.
        """
        if heads is not None:
            second = np.where(ops.is_kind("matmul"), ops.in_channels * ops.out_channels, 0.0)
            return cls(
                map_bytes=heads * (ops.height * ops.in_channels + second),
                granule_bytes=ops.in_channels,
                granule_positions=np.ones_like(ops.height),
                rows=ops.positions,
                kept_bytes=second * np.where(heads > 1, 2.0, 1.0),
            )
        inputs = np.where(ops.is_kind("depthwise"), channels, ops.in_channels)
        overlaps = np.maximum(ops.kernel, ops.window_width) > ops.stride
        row_bytes = ops.width * inputs
        return cls(
            map_bytes=ops.height * row_bytes,
            granule_bytes=np.where(overlaps, ops.stride * row_bytes, ops.stride**2 * inputs),
            granule_positions=np.where(overlaps, ops.out_columns, 1.0),
            rows=np.where(overlaps, ops.out_rows, ops.positions),
            kept_bytes=np.where(overlaps, np.maximum(ops.kernel - ops.stride, 0.0) * row_bytes, 0.0),
        )

    def most_positions(
        self, positions: Floats, channels: Floats, buffer_bytes: float, pieces: float
    ) -> Floats:
        """Most output positions of a piece, at least one.

        Args:
            positions: Output positions of the op.
            channels: Output channels of a macro.
            buffer_bytes: Bytes of the input buffer, and of the output buffer.
            pieces: Pieces in which a map passes at least.
        """
        granules = np.floor(np.maximum(0.0, buffer_bytes - self.kept_bytes) / (2.0 * self.granule_bytes))
        by_input = np.where(self.map_bytes <= buffer_bytes, positions, granules * self.granule_positions)
        by_output = np.where(
            positions * channels <= buffer_bytes, positions, buffer_bytes // (2.0 * channels)
        )
        by_pieces = np.ceil(positions / np.minimum(pieces, self.rows))
        return np.maximum(1.0, np.minimum(by_pieces, np.minimum(by_input, by_output)))

    def room(self, block: Floats, channels: Floats, buffer_bytes: float) -> Floats:
        """Bytes of the input buffer in use at once; infinite where the outputs of a block do not fit.

        Args:
            block: Output positions of a block.
            channels: Output channels of a macro.
            buffer_bytes: Bytes of the output buffer.
        """
        granules = np.minimum(np.ceil(block / self.granule_positions), self.rows)
        passing = self.kept_bytes + 2.0 * granules * self.granule_bytes
        fits = 2.0 * np.minimum(block, self.granule_positions * self.rows) * channels <= buffer_bytes
        whole = self.granule_positions * self.rows * channels <= buffer_bytes
        return np.where(fits | whole, np.minimum(self.map_bytes, passing), np.inf)
