"""Accuracy tables: values of networks from a file instead of a measurement."""
