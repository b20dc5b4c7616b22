"""What is measured: accuracy, and the cost of a subnet on hardware."""
