"""Presentation: studies as tables, plain records, HTML, Optuna databases and next commands."""
