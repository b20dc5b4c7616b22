"""Preload module for `dask worker --preload`: imports torch before the worker joins.

The import takes seconds, in which a worker that has joined answers nobody.
"""

from __future__ import annotations

from objectives.workers.source_digest import packages_digest


def dask_setup(_: object) -> None:
    """Called by Dask before the worker connects to its scheduler."""
    import objectives.accuracy_objective  # noqa: F401

    packages_digest()  # Of the code that has just been imported.
