"""Study: its settings, constraints, evaluations, front and fingerprint."""
