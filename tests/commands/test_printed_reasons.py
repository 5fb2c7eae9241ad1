"""What the terminal says of cells and reviews: words where tables have codes."""

from pathlib import Path

import pytest

import bloodcell
from bloodcell.printed.patients import print_patients
from bloodcell.printed.reviews import print_applied
from bloodcell.review.apply import Applied


def test_reasons_of_rejection_are_words(
    drawn_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in" / "p").mkdir(parents=True)
    (tmp_path / "in" / "p" / "1.jpg").write_bytes(b"no image at all")
    (tmp_path / "cells.csv").write_text("path,patient\nin/p/1.jpg,p\nabsent.jpg,p\n")
    print_patients(bloodcell.score(tmp_path / "cells.csv", tmp_path / "run", drawn_model))
    assert "2 rejected (1 not found, 1 not an image)" in capsys.readouterr().out


def test_how_a_share_was_estimated_and_on_what_readers_agree_is_words(
    adjusted_run: bloodcell.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"patient": "P", "status": "final", "cells_looked_at": 2, "blast_percent": 1.0}
    row |= {"blast_percent_low": 0.0, "blast_percent_high": 2.0, "basis": "sample"}
    two = {"reviewers": ["A", "B"], "cells": 2, "agreed": 1, "kappa": 0.0}
    two |= {"kappa_by_class": {"monocyte": 0.0, "cannot_tell": 0.0}}
    print_applied(Applied(adjusted_run, [row], [two], [], {}, {"P": 1}))
    said = capsys.readouterr().out
    assert "cells seen alone" in said
    assert "kappa 0.00 (Monocyte 0.00, cannot tell 0.00)" in said
