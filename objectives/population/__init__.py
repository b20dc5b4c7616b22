"""Costs and sizes of whole populations, from tables of the pieces of a search space."""
