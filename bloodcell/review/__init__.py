"""A person looks at a few cells: which ones, and what the answers are worth.

``leukocytes.py`` are the cells a share is of, ``patient.py`` one patient under review,
``sample.py`` the share that a sample alone gives, ``estimate.py`` what the answers make of a
share, ``plan.py`` which cells come next, ``draw.py`` how they are drawn. docs/statistics.md has the
formulas. ``answers.py`` is the file of what a reader said; ``standing.py`` what all applied files
come to (``agreement.py`` where readers differ), ``history.py`` what new ones may say after these,
``apply.py`` and ``folder.py`` write and read that,
``check.py`` verifies it, ``server.py`` takes it from a browser, ``labels.py`` what it teaches.
"""

CELLS_OF_A_ROUND = 10
"""Most cells a patient that are asked for before answers are taken into account."""

PORT = 8747
"""Where a review is served unless asked otherwise: always there, for what a browser keeps of a page
it keeps by its port."""
