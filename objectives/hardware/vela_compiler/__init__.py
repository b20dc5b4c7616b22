"""Arm's compiler Vela as a model of the NPU: probe networks, compilation, a table of cycles."""
