"""Passes of an Ethos-U55: what the compiler Vela makes of an op, and the time, bytes and memory of each pass."""
