"""Passes of an Ethos-U55: what the compiler Vela makes of an op, with time, bytes and memory of each."""
