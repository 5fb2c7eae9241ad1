"""Scoring on the nodes of a Ray cluster. The library is loaded when it is needed, not before.

``score_dataset`` is for pipelines of Ray Data; ``bloodcell.score(..., on="ray")`` makes runs.
"""

from bloodcell.ray.dataset import score_dataset

__all__ = ["score_dataset"]
