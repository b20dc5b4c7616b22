"""Measuring an objective in several processes, with the values that one alone would find."""
