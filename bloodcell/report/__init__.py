"""The report for people: a folder of pages that opens from a disk, with all that they need in it.

``gallery.py`` chooses the cells that are shown, ``images.py`` packs their bytes, ``packs.py`` those
of a run's patients; ``reviews.py`` reads what was looked at so far, ``content.py`` says what stands
on a page, ``pages.py`` makes it of a template, ``writing.py`` writes the folder. ``ahead.py`` does
of it what it can while the run is scored, ``drafts.py`` keeps the pages until it is done.
"""

from bloodcell.report.ahead import report_ahead
from bloodcell.report.writing import write_report

__all__ = ["report_ahead", "write_report"]
