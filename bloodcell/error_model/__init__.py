"""How a network errs and how that differs between patients: what adjusted shares rest on.

``card.py`` is what a model card holds of it. ``fit.py`` makes that from labelled cells, which it
takes as histograms (``histograms.py``). How patients' calibration curves differ gives shares
(``recalibration.py``; ``case_mix.py`` takes patients at other shares of blasts too). For the gate
there are the shape of the log-odds and how far patients lie apart (``shapes.py``), and what a
patient's cells are worth (``worth.py``). ``site.py`` draws a site's own error model towards the one
it starts from, ``site_trial.py`` holds it against the site's own patients.
"""

from bloodcell.error_model.card import ErrorModel
from bloodcell.error_model.fit import fit_error_model
from bloodcell.error_model.histograms import LabelledHistograms
from bloodcell.error_model.recalibration import Recalibration
from bloodcell.error_model.site import (
    START_PATIENTS,
    drawn_towards,
    site_recalibration,
    weight_of_site,
)
from bloodcell.error_model.site_trial import SiteTrial

__all__ = [
    "START_PATIENTS",
    "ErrorModel",
    "LabelledHistograms",
    "Recalibration",
    "SiteTrial",
    "drawn_towards",
    "fit_error_model",
    "site_recalibration",
    "weight_of_site",
]
