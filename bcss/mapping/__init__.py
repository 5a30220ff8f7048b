"""Turn records of one vendor into records of the other, without any I/O."""
