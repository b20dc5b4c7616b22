"""Settings of all tests."""

from __future__ import annotations

from hypothesis import settings

# No test depends on time: these run beside whatever else the machine does.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
