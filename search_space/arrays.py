"""Array types shared by all packages: floats, integers, booleans, and the genotypes of many networks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
"""Double-precision numbers of any shape."""

Integers = NDArray[np.int64]
"""64-bit integers of any shape."""

Booleans = NDArray[np.bool_]
"""Truth values of any shape."""

Genotypes = NDArray[np.integer[Any]]
"""Genotypes of n networks, shape (n, genes)."""
