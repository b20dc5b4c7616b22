"""Objectives: accuracy, latency, energy and size of a subnet."""
