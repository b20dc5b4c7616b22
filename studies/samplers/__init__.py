"""Samplers: what decides which subnets a study evaluates next. One file each, behind one protocol."""
