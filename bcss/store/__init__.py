"""Keep state and audit in SQLite; only this package sees SQL."""
