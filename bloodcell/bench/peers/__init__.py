"""What a user would take instead of bloodcell, one module a family, and their comparison.

`contender.py` says what every contender is, `process.py` gives each a process of its own,
`comparison.py` lets them run in turn.
"""
