"""Networks that were made elsewhere as model folders, each held against where it comes from."""

from bloodcell.importing.importing import import_network

__all__ = ["import_network"]
