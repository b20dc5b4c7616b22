"""Importance of genes: mutual information of each choice and an objective among evaluated networks.

The importance of a gene is its mutual information with an objective as a share of the objective's entropy: 0
if the two are independent, 1 if the gene determines the objective. The objective is cut at its quantiles into
`BINS` classes. Counts overestimate mutual information by about (cells - rows - columns + 1) / (2 n) nats,
which is subtracted (Miller 1955, Madow). An inactive gene counts as an option of its own, so choices of a
block are informative only where the block exists.

Importance is association within the study's sample, which is dense where the search went. It shows which
choices separate good networks from bad ones there, not the effect of a choice by itself.
"""

from __future__ import annotations

import numpy as np

from search_space.arrays import Floats, Integers

BINS = 8


def importance(genes: Integers, values: Floats) -> Floats:
    """Share of the entropy of `values` that each gene explains, 0 to 1, shape (g,).

    Args:
        genes: Index of the chosen option of each gene, shape (n, g). Any integer that is no option marks an
            inactive gene.
        values: Finite values of an objective, shape (n,).

    Returns:
        All zeros if all values are equal or there are fewer than two.
    """
    shares = np.zeros(genes.shape[1])
    classes = quantile_classes(values)
    entropy = _entropy(np.bincount(classes)) if len(values) else 0.0
    if entropy == 0.0:
        return shares
    for column in range(genes.shape[1]):
        _, options = np.unique(genes[:, column], return_inverse=True)
        table = np.zeros((options.max() + 1, classes.max() + 1))
        np.add.at(table, (options, classes), 1.0)
        shares[column] = _information(table) / entropy
    return np.clip(shares, 0.0, 1.0)


def quantile_classes(values: Floats) -> Integers:
    """Class of each value, from 0, shape (n,). Classes are cut at quantiles; equal values share a class."""
    if len(values) == 0:
        return np.empty(0, dtype=np.int64)
    edges = np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
    _, classes = np.unique(np.searchsorted(edges, values, side="left"), return_inverse=True)
    return classes.astype(np.int64)


def _information(table: Floats) -> float:
    """Mutual information of a table of counts in nats, minus its expected excess by chance."""
    rows, columns = (_entropy(table.sum(axis=axis)) for axis in (1, 0))
    seen = np.count_nonzero
    excess = seen(table) - seen(table.sum(axis=1)) - seen(table.sum(axis=0)) + 1
    return rows + columns - _entropy(table.ravel()) - max(float(excess), 0.0) / (2 * float(table.sum()))


def _entropy(counts: Floats | Integers) -> float:
    """Entropy of the shares of `counts` in nats."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum()) + 0.0
