"""One module a flow, each read from top to bottom."""
