"""Storage: studies and their evaluations in SQLite files, and the locks on them."""
