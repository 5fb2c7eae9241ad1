"""Runs in an object store: a local folder for whoever works on one, and a store kept equal to it.

A command or a call gets a folder of this machine that holds what the store has of the run, and
works in it as in any run folder. ``files.telling`` says which files have become whole there;
``uploads.py`` puts them up, ``holder.py`` keeps a second writer out, ``objects.py`` has the
requests, ``working_folder.py`` the folder.
"""

from bloodcell.mirror.mirrored import in_object_stores, mirrored, opened, refuse_nested
from bloodcell.mirror.working_folder import WorkingFolder

__all__ = ["WorkingFolder", "in_object_stores", "mirrored", "opened", "refuse_nested"]
