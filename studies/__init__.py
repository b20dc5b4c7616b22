"""The search: studies, their store, the samplers, and the commands that run and show them."""

from studies.study.study import Study

__all__ = ["Study"]
