"""A patient of whom no leukocyte is left after review has no share, whoever is asked."""

import shutil
from pathlib import Path

import bloodcell
from bloodcell.export.results import results_of
from bloodcell.report import write_report
from bloodcell.review.answers import Answers, PatientAnswers, run_identity
from bloodcell.review.apply import apply_answers
from bloodcell.review.folder import reviewed_patients
from bloodcell.review.leukocytes import leukocytes_by_patient
from bloodcell.review.planned import plan_identity

FIRST = "phantom-000"


def test_page_overview_and_export_say_that_there_is_none(
    adjusted_run: bloodcell.Run, tmp_path: Path
) -> None:
    run = bloodcell.open_run(shutil.copytree(adjusted_run.folder, tmp_path / "run"))
    assert run.patients["adjustment"][0].as_py() == "adjusted"
    ((_, cells),) = leukocytes_by_patient(run, [FIRST])
    given = {FIRST: PatientAnswers(dict.fromkeys(cells.row.tolist(), "smudge_cells"), True, "")}
    answers = Answers(run_identity(run), plan_identity(run), "", given)
    apply_answers(run, answers, "A", "answers.json")
    run = bloodcell.open_run(run.folder)
    assert reviewed_patients(run)[FIRST]["blast_percent"] is None
    write_report(run)
    page = min((run.folder / "report" / "patients").iterdir()).read_text("utf-8")
    assert "No leukocytes are left <strong>after review</strong>" in page
    assert "no cell looked at" not in page
    overview = (run.folder / "report" / "index.html").read_text("utf-8")
    assert overview.count("no leukocytes left") == 1
    (share, *_) = next(iter(results_of(run))).results
    assert (share.value, share.why_not) == (None, "no leukocytes")
    assert "not trusted" not in share.method
