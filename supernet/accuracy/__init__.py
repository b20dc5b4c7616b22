"""Accuracy of subnets, alone or many at once, in float or int8."""
