"""Public data sets: what there is to fetch, and fetching it, when asked for and never else.

``data_sets.toml`` has the addresses, ``data_sets.py`` reads it, ``download.py`` brings one file,
``fetch.py`` a whole set, held against its digests.
"""

from bloodcell.fetching.data_sets import DataSet, read_data_set
from bloodcell.fetching.fetch import Fetched, fetch, plan

__all__ = ["DataSet", "Fetched", "fetch", "plan", "read_data_set"]
