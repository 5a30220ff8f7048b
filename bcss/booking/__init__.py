"""Book units exactly once: the machine of the design, section 4."""
