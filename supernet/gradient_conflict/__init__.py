"""Gradient conflict between subnets."""
