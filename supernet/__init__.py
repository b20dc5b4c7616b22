"""The shared weights: elastic layers, data, two-phase training, checkpoints, accuracy of a subnet."""
