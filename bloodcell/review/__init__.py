"""A person looks at a few cells: which ones, and what the answers are worth.

``leukocytes.py`` are the cells a share is of, by patient; ``sample.py`` the strata they are drawn
from and the share that a sample alone gives; ``plan.py`` chooses cells, ``answers.py`` is the file
of what a reader said of them, ``estimate.py`` says what the answers make of a patient's share.
docs/statistics.md has the formulas.
"""
