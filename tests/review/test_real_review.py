"""A review of real smears by files, labels played by a script: from plan to exports."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from fhir.resources.R4B.bundle import Bundle
from helpers.real_labels import RealLabels
from helpers.reviews import answers_of, saved

import bloodcell
from bloodcell.audit import read_audit
from bloodcell.cli import main
from bloodcell.review.folder import reviewed_patients
from bloodcell.verification import verify

pytestmark = pytest.mark.real_data


def invoke(*words: object) -> None:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.stderr


def test_twelve_patients_are_looked_at_signed_verified_and_exported(
    real_data: Path, tmp_path: Path
) -> None:
    source = real_data / "aml-apl" / "test"
    run = bloodcell.score(source, tmp_path / "run", backend="onnxruntime")
    invoke("review", "plan", run.folder, "--cells", 20)
    labels = RealLabels(run, source.with_suffix(".csv"))
    answers = saved(answers_of(run, labels), tmp_path / "answers.json")
    invoke("review", "apply", run.folder, answers, "--reviewer", "Dr. A")
    rows = reviewed_patients(run)
    for row in rows.values():
        assert (row["status"], row["signed_by"]) == ("final", ["Dr. A"])
    assert labels.covered(rows) >= 11
    finished = bloodcell.open_run(run.folder)
    assert [one for one in verify(run.folder) if not one.good] == []
    assert [one["event"] for one in read_audit(run.folder / "audit.jsonl")][-1] == "review"
    invoke("export", run.folder, "--to", "fhir", "--out", tmp_path / "fhir")
    bundles = [
        Bundle.model_validate_json(file.read_text()) for file in (tmp_path / "fhir").iterdir()
    ]
    assert len(bundles) == 12 == finished.counts.patients
    assert {bundle.entry[0].resource.status for bundle in bundles} == {"final"}
