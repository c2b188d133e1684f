"""What is mapped, at which level, and who yields: pure decisions over plain values."""
