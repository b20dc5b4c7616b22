"""Launch: from settings to a running or resumed study, and its display."""
