"""Networks of TensorFlow Lite files: reading, ops of the cost model, comparison with Arm's compiler."""
