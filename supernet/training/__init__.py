"""Training of a supernet and of plain networks."""
