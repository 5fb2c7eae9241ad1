"""What was signed stays as it was sent until somebody signs anew."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.csv
import pytest
from click.testing import CliRunner
from helpers.reviews import planned, seen

import bloodcell
from bloodcell.cli import main
from bloodcell.errors import RunError
from bloodcell.export import export
from bloodcell.export.results import PatientResults, results_of
from bloodcell.review.answers import Answers, PatientAnswers, run_identity
from bloodcell.review.apply import apply_answers
from bloodcell.review.folder import ReviewFolder, reviewed_patients
from bloodcell.review.leukocytes import leukocytes_by_patient
from bloodcell.review.planned import plan_identity, read_plan

BLAST, MONOCYTE = "blast_no_lineage_spec", "monocyte"
FIRST = "phantom-000"
Apply = Callable[..., bloodcell.Run]


@pytest.fixture
def apply(demanding_run: bloodcell.Run, tmp_path: Path) -> Apply:
    """Apply one class to the cells of the first patient that the first plan has."""
    own = planned(bloodcell.open_run(shutil.copytree(demanding_run.folder, tmp_path / "run")))
    rows = [one["row"] for one in read_plan(own).to_pylist() if one["patient"] == FIRST]

    def applied(reviewer: str, label: str, *, sign: bool, comment: str = "") -> bloodcell.Run:
        given = {FIRST: PatientAnswers(dict.fromkeys(rows, label), sign, comment, seen(own, FIRST))}
        answers = Answers(run_identity(own), plan_identity(own), "", given)
        apply_answers(own, answers, reviewer, "answers.json")
        return bloodcell.open_run(own.folder)

    return applied


def first(run: bloodcell.Run) -> PatientResults:
    return next(iter(results_of(run)))


def fhir(run: bloodcell.Run) -> tuple[str, list[dict[str, Any]]]:
    """The conclusion of the first patient's report, and all resources without it."""
    bundle = json.loads(min(export(run, "fhir").iterdir()).read_text("utf-8"))
    resources = [entry["resource"] for entry in bundle["entry"]]
    return resources[0].pop("conclusion"), resources


def hl7(run: bloodcell.Run) -> list[str]:
    """The first patient's segments, without numbers of messages and notes."""
    lines = min(export(run, "hl7").iterdir()).read_bytes().decode().split("\r")
    return [line for line in lines if not line.startswith(("MSH", "NTE"))]


@pytest.mark.parametrize("reviewer", ["A", "B"])
def test_a_final_result_stays_as_it_was_signed_until_it_is_signed_anew(
    apply: Apply, reviewer: str
) -> None:
    """Of the same reader it would be preliminary, of another one disputed."""
    run = apply("A", BLAST, sign=True, comment="seen")
    said, resources = fhir(run)
    segments, table = hl7(run), pyarrow.csv.read_csv(export(run, "csv")).to_pylist()[0]
    assert (table["status"], table["signed_by"], table["pending"]) == ("final", "A", None)

    run = apply(reviewer, MONOCYTE, sign=False, comment="not so")
    assert reviewed_patients(run)[FIRST]["status"] != "final"
    assert fhir(run)[1] == resources
    assert hl7(run) == segments
    pending = first(run).pending
    assert fhir(run)[0].replace(f"{pending} ", "") == said
    after = pyarrow.csv.read_csv(export(run, "csv")).to_pylist()[0]
    assert after == table | {"pending": pending}

    apply("A", MONOCYTE, sign=True)
    run = apply(reviewer, MONOCYTE, sign=True)
    corrected = first(run)
    assert (corrected.status, corrected.pending) == ("corrected", "")
    assert corrected.results[0].value == reviewed_patients(run)[FIRST]["blast_percent"]
    assert corrected.results[0].value != table["blast_percent"]


def test_a_cell_that_was_clicked_when_signed_stays_so_though_it_is_drawn_since(
    demanding_run: bloodcell.Run, tmp_path: Path
) -> None:
    run = planned(bloodcell.open_run(shutil.copytree(demanding_run.folder, tmp_path / "run")), 3)
    drawn = [one["row"] for one in read_plan(run).to_pylist() if one["patient"] == FIRST]
    ((_, cells),) = leukocytes_by_patient(run, [FIRST])
    clicked = next(row for row in cells.row.tolist() if row not in drawn)

    def answered(given: dict[int, str | None], *, sign: bool) -> PatientResults:
        own = bloodcell.open_run(run.folder)
        of_first = {FIRST: PatientAnswers(given, sign, "", seen(own, FIRST))}
        answers = Answers(run_identity(own), plan_identity(own), "", of_first)
        apply_answers(own, answers, "A", "answers.json")
        return first(bloodcell.open_run(run.folder))

    signed = answered({**dict.fromkeys(drawn, MONOCYTE), clicked: BLAST}, sign=True)
    answered({clicked: None}, sign=False)
    words = ["review", "plan", str(run.folder), "--cells", "1000"]
    assert CliRunner().invoke(main, words).exit_code == 0
    assert clicked in read_plan(run)["row"].to_pylist()
    now = answered({clicked: BLAST}, sign=False)
    assert now.pending
    assert now.results == signed.results


def test_a_message_that_says_what_is_pending_is_another_message(apply: Apply) -> None:
    def control(run: bloodcell.Run) -> str:
        return min(export(run, "hl7").iterdir()).read_bytes().decode().split("|")[9]

    signed = control(apply("A", BLAST, sign=True))
    assert control(apply("B", MONOCYTE, sign=False)) != signed


def test_what_was_never_final_is_preliminary_and_nobodys(apply: Apply) -> None:
    apply("A", BLAST, sign=False)
    run = apply("B", MONOCYTE, sign=True)  # who differs from A
    one = first(run)
    assert (one.status, one.signed_by, one.pending) == ("preliminary", (), "")
    assert one.results[0].value == reviewed_patients(run)[FIRST]["blast_percent"]
    table = pyarrow.csv.read_csv(export(run, "csv")).to_pylist()[0]
    assert (table["status"], table["signed_by"], table["reviewers"]) == (
        "preliminary",
        None,
        "A, B",
    )


def test_what_was_signed_cannot_be_exported_without_the_answers(apply: Apply) -> None:
    apply("A", BLAST, sign=True)
    run = apply("B", MONOCYTE, sign=False)
    shutil.rmtree(ReviewFolder(run.folder).answers)
    with pytest.raises(RunError, match="missing or not the file that the audit log names"):
        export(run, "fhir")
