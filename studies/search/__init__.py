"""The search: loop, evaluator, racing, stopping rules and initial population."""
