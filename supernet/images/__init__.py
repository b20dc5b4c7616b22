"""Labelled images: data sets, splits, and the evaluation pack."""
