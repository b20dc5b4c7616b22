"""Parts of a chip: NPU, compute-in-memory macros, network-on-chip, memories, areas, floor plan."""
