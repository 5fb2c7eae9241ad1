"""bloodcell."""
