"""`bloodcell-bench`: how fast this machine scores, what holds it back, and against what."""
