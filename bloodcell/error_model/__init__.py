"""How a network errs and how that differs between patients: what adjusted shares rest on.

``card.py`` is what a model card holds of it. ``fit.py`` makes that from labelled cells, which it
takes as histograms (``histograms.py``): the shape of their log-odds and how far patients lie apart
(``shapes.py``), and what a patient's cells are worth (``worth.py``). ``recalibration.py`` is what a
review starts from: how patients' calibration curves differ. ``site.py`` draws a site's own error
model towards the one it starts from.
"""

from bloodcell.error_model.card import ErrorModel
from bloodcell.error_model.fit import fit_error_model
from bloodcell.error_model.recalibration import Recalibration
from bloodcell.error_model.site import drawn_towards, weight_of_site

__all__ = ["ErrorModel", "Recalibration", "drawn_towards", "fit_error_model", "weight_of_site"]
