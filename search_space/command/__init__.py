"""Command lines: exit codes, bounds and byte counts of options, wide tables."""
