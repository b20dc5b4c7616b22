"""Networks as files for a chip: TensorFlow Lite in 8-bit integers."""
