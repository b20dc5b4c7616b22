"""Measurement of an objective in several processes, with the same values as in one."""
