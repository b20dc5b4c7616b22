"""Mapping of a network onto NPU and macros: splits, placements, segments, capacity."""
