"""Networks: the supernet, its elastic layers and blocks, and plain networks."""
