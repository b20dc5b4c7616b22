"""Supernet: weights that all subnets of a search space share, their training, and accuracies of subnets."""
