"""Trained torch models of other projects as search spaces with weights."""
