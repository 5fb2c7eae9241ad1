"""How a network errs and how that differs between patients: what adjusted shares rest on."""

from bloodcell.error_model.model import ErrorModel, fit_error_model, parts_of_patients

__all__ = ["ErrorModel", "fit_error_model", "parts_of_patients"]
