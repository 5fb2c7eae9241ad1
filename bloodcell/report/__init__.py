"""The report for people: a folder of pages that opens from a disk, with all that they need in it.

``gallery.py`` chooses the cells that are shown, ``images.py`` packs their bytes, ``packs.py`` those
of a run's patients and ``ahead.py`` while the run is scored; ``reviews.py`` reads what was looked
at so far, ``content.py`` says what stands on a page, ``pages.py`` makes it of a template,
``writing.py`` writes the folder.
"""

from bloodcell.report.ahead import report_ahead
from bloodcell.report.pages import load_templates
from bloodcell.report.writing import write_report

__all__ = ["load_templates", "report_ahead", "write_report"]
