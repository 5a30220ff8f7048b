"""Imitate both vendors over real HTTP, on the standard library alone."""
