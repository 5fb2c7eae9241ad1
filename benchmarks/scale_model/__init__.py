"""What a night of any size costs: unit costs measured here, and a simulation that rests on them.

``costs.py`` and ``store_costs.py`` measure units into ``costs.json``, ``night.py`` is the
simulation, ``check.py`` holds it against real runs, ``ask.py`` asks it about 10^6 to 10^9 cells a
day. `python benchmarks/scale_model costs|check|ask`, and docs/scale.md has what came out.
"""
