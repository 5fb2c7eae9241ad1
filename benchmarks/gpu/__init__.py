"""`make gpu-check`: the tests that need a GPU, and the figures that need one.

`check.py` runs `parts.py` part by part; stages are timed and checked by `bloodcell.bench`.
"""
