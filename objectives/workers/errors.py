"""What goes wrong with workers."""

from __future__ import annotations

from search_space.errors import H4HError


class WorkerError(H4HError):
    """Workers that cannot be reached, do not fit, or died too often."""
