"""Analysis of finished studies: comparison, choice of a subnet, sensitivity, held-out scores."""
