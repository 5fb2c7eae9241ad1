"""The backend of the page, added as the page says: proved, used, and refused where it is wrong."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from helpers.local_scorer import LocalScorer
from helpers.pages import code

import bloodcell
from bloodcell import scoring
from bloodcell.engine.backends import choice
from bloodcell.engine.backends.choice import choose_backend
from bloodcell.engine.backends.opening import open_backend
from bloodcell.errors import EngineError
from bloodcell.model import load_model

MODULE = "bloodcell.engine.backends.evaluator"


def add_backend(monkeypatch: pytest.MonkeyPatch, *, wrongly: tuple[str, str] = ("", "")) -> None:
    """The module and the row; ``wrongly``: a piece of the module's code and what replaces it."""
    source, opener, row = code("adding-a-backend.md", "python")
    right, wrong = wrongly
    assert right in source
    module = ModuleType(MODULE)
    exec(source.replace(right, wrong) if right else source, vars(module))
    monkeypatch.setitem(sys.modules, MODULE, module)
    table = dict(vars(choice))
    exec(f"from __future__ import annotations\n{opener}", table)
    for name, entry in eval(f"{{{row}}}", table).items():
        monkeypatch.setitem(choice.BACKENDS, name, entry)
    monkeypatch.setattr(choice, "BACKEND_NAMES", ("auto", *sorted(choice.BACKENDS)))


def test_the_pages_backend_passes_the_self_test_and_scores(
    cells: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_backend(monkeypatch)
    monkeypatch.setattr(scoring, "open_scorer", LocalScorer)
    run = bloodcell.score(cells, tmp_path / "run", model=model, backend="evaluator")
    reference = bloodcell.score(cells, tmp_path / "reference", model=model, backend="onnxruntime")
    assert run.cells(["status"]) == reference.cells(["status"])
    ours, theirs = (
        np.array(each.cells(["probabilities"])["probabilities"].to_pylist(), np.float64)
        for each in (run, reference)
    )
    assert ours.shape == (24, 5)
    assert np.abs(ours - theirs).max() < 1e-3


@pytest.mark.parametrize(
    ("wrongly", "said"),
    [
        (("calibrated_probabilities(logits,", "calibrated_probabilities(logits[::-1],"), "FP32"),
        (("pixels, 1,", "pixels + pixels[:, ::-1].mean(), 1,"), "refused"),
        (("pixels, 1,", "pixels + np.float32(3e-5 * len(pixels)), 1,"), "other bits"),
    ],
    ids=["rows-reversed", "rows-mixed", "batch-size-counts"],
)
def test_a_wrong_variant_of_it_is_refused(
    model: Path, wrongly: tuple[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_backend(monkeypatch, wrongly=wrongly)
    with pytest.raises(EngineError, match=said):
        open_backend(choose_backend("evaluator"), load_model(model).network, threads=1)
