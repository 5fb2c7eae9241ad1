"""A review of real smears, whose labels a script plays: from the plan to what is exported."""

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner
from fhir.resources.R4B.bundle import Bundle
from helpers.reviews import answers_of, saved

import bloodcell
from bloodcell.audit import read_audit
from bloodcell.cli import main
from bloodcell.review.folder import reviewed_patients
from bloodcell.scheme import load_scheme
from bloodcell.verification import verify

pytestmark = pytest.mark.real_data


def invoke(*words: object) -> None:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.stderr


def test_twelve_patients_are_looked_at_signed_verified_and_exported(
    real_data: Path, tmp_path: Path
) -> None:
    run = bloodcell.score(real_data / "aml-apl" / "test", tmp_path / "run")
    invoke("review", "plan", run.folder, "--cells", 20)
    scheme = load_scheme(run.record.scheme)
    with (real_data / "aml-apl" / "test.csv").open(newline="") as file:
        labels = {row["path"]: row["class"] for row in csv.DictReader(file)}
    # The network has no class of artefacts.
    known = {path: c if c in scheme.codes else "smudge_cells" for path, c in labels.items()}
    paths = run.cells(["path"])["path"].to_pylist()
    answers = saved(answers_of(run, lambda row: known[paths[row]]), tmp_path / "answers.json")
    invoke("review", "apply", run.folder, answers, "--reviewer", "Dr. A")
    counted = dict(zip(scheme.codes, scheme.is_leukocyte, strict=True))
    covered = 0
    for name, row in reviewed_patients(run).items():
        assert (row["status"], row["signed_by"]) == ("final", ["Dr. A"])
        own = [c for path, c in known.items() if path.startswith(f"{name}/") and counted[c]]
        true = 100 * own.count("blast_no_lineage_spec") / len(own)
        # By single cells the labels' denominator is another than the network's.
        covered += row["blast_percent_low"] - 0.5 <= true <= row["blast_percent_high"] + 0.5
    assert covered >= 11
    finished = bloodcell.open_run(run.folder)
    assert [one for one in verify(run.folder) if not one.good] == []
    assert [one["event"] for one in read_audit(run.folder / "audit.jsonl")][-1] == "review"
    invoke("export", run.folder, "--to", "fhir", "--out", tmp_path / "fhir")
    bundles = [
        Bundle.model_validate_json(file.read_text()) for file in (tmp_path / "fhir").iterdir()
    ]
    assert len(bundles) == 12 == finished.counts.patients
    assert {bundle.entry[0].resource.status for bundle in bundles} == {"final"}
