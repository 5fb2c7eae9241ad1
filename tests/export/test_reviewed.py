"""What a review changes in an export: status, share, who signed; the network's own stays beside."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import openpyxl
import pyarrow.csv
import pytest
from fhir.resources.R4B.bundle import Bundle
from helpers.reviews import answers_of, planned

import bloodcell
from bloodcell.export import export
from bloodcell.export.results import results_of
from bloodcell.export.tables import exported_patients
from bloodcell.review.answers import Answers, PatientAnswers, run_identity
from bloodcell.review.apply import apply_answers
from bloodcell.review.folder import reviewed_patients
from bloodcell.review.planned import plan_identity
from bloodcell.verification import verify

BLAST, MONOCYTE = "blast_no_lineage_spec", "monocyte"
FIRST, SECOND, THIRD = "phantom-000", "phantom-001", "phantom-002"


@pytest.fixture(scope="module")
def reviewed(
    demanding_run: bloodcell.Run, tmp_path_factory: pytest.TempPathFactory
) -> bloodcell.Run:
    """The first patient final, the second corrected after that, the third disputed since."""
    folder = shutil.copytree(demanding_run.folder, tmp_path_factory.mktemp("reviewed") / "run")
    own = planned(bloodcell.open_run(folder))

    def apply(reviewer: str, label: Callable[[int], str], *patients: str) -> None:
        answers = answers_of(own, label, patients, comment="=seen|again")
        apply_answers(own, answers, reviewer, "answers.json")

    apply("Dr. =A", lambda _row: BLAST, FIRST, SECOND, THIRD)
    apply("Dr. =A", lambda row: BLAST if row % 2 else MONOCYTE, SECOND)
    apply("B&C", lambda _row: MONOCYTE, THIRD)
    return bloodcell.open_run(folder)


def test_fhir_says_what_is_final_corrected_and_still_open(
    reviewed: bloodcell.Run, tmp_path: Path
) -> None:
    status, interpreters = {}, {}
    rows = {row["patient"]: row for row in reviewed.patients.to_pylist()}
    for file in export(reviewed, "fhir", tmp_path / "fhir").iterdir():
        entries = Bundle.model_validate_json(file.read_text("utf-8")).entry
        report = entries[0].resource
        name = report.subject.identifier.value
        status[name] = report.status
        interpreters[name] = [one.display for one in report.resultsInterpreter or ()]
        share, network = entries[2].resource, entries[3].resource
        assert share.code.coding[-1].code == "blast_percent"
        expected = reviewed_patients(reviewed)[name]["blast_percent"]
        assert (float(share.valueQuantity.value) == expected) == (name != THIRD)
        assert share.method.text.split("looked at by ")[1].startswith("Dr. =A;")
        assert network.code.coding[0].code == "blast_percent_adjusted"
        if rows[name]["blast_percent"] is not None:
            assert float(network.valueQuantity.value) == rows[name]["blast_percent"]
        assert "Reviewer: =seen|again" in report.conclusion
        assert ("readers came to differ on" in report.conclusion) == (name == THIRD)
    assert status == {FIRST: "final", SECOND: "corrected", THIRD: "final"}
    assert interpreters == {name: ["Dr. =A"] for name in (FIRST, SECOND, THIRD)}


def test_hl7_says_what_is_final_corrected_and_still_open(
    reviewed: bloodcell.Run, tmp_path: Path
) -> None:
    orders = {}
    for file in export(reviewed, "hl7", tmp_path / "hl7").iterdir():
        segments = [line.split("|") for line in file.read_bytes().decode().split("\r")]
        order = next(one for one in segments if one[0] == "OBR")
        assert {one[11] for one in segments if one[0] == "OBX"} <= {order[25], "X"}
        orders[segments[1][3]] = (order[25], order[32])
    statuses = {FIRST: "F", SECOND: "C", THIRD: "F"}
    assert orders == {name: (status, "&Dr. =A") for name, status in statuses.items()}


def test_tables_lead_with_what_counts_and_have_the_networks_own_beside_it(
    reviewed: bloodcell.Run, tmp_path: Path
) -> None:
    read = pyarrow.csv.read_csv(export(reviewed, "csv", tmp_path / "p.csv")).to_pylist()
    assert [row["status"] for row in read] == ["final", "corrected", "final"]
    assert [row["signed_by"] for row in read] == 3 * ["Dr. =A"]
    assert [bool(row["pending"]) for row in read] == [False, False, True]
    assert read[0]["comment"] == "'=seen|again"
    results = {one.patient: one for one in results_of(reviewed)}
    for row, network in zip(read, reviewed.patients.to_pylist(), strict=True):
        share, *others = results[row["patient"]].results
        assert (row["blast_percent"], row["blast_percent_high"]) == (share.value, share.high)
        assert row["blast_percent"] != network["blast_percent"]
        assert row["band_10_19"] == share.bands["band_10_19"]
        assert row["denominator"] == share.denominator
        counts = {one.code: one.cells for one in others if one.code.startswith("n_")}
        assert counts.items() <= row.items()
        assert row[f"n_{BLAST}"] != network[f"n_{BLAST}"]
        for name in ("blast_percent", "blast_percent_naive", "denominator", f"n_{BLAST}"):
            assert row[f"network_{name}"] == network[name]
    book = openpyxl.load_workbook(export(reviewed, "xlsx", tmp_path / "p.xlsx"))
    heading, *cells = book["patients"].iter_rows(values_only=True)
    assert list(heading) == list(read[0])
    assert [row[heading.index("status")] for row in cells] == [row["status"] for row in read]
    assert [row[heading.index("comment")] for row in cells] == 3 * ["=seen|again"]


def test_tables_have_the_same_columns_with_and_without_a_review(
    reviewed: bloodcell.Run, demanding_run: bloodcell.Run
) -> None:
    assert exported_patients(demanding_run).schema == exported_patients(reviewed).schema


def test_a_share_that_was_signed_unseen_does_not_claim_that_cells_were_looked_at(
    run: bloodcell.Run, tmp_path: Path
) -> None:
    own = planned(bloodcell.open_run(shutil.copytree(run.folder, tmp_path / "run")))
    signed = {FIRST: PatientAnswers({}, True, "")}
    answers = Answers(run_identity(own), plan_identity(own), "", signed)
    apply_answers(own, answers, "A", "answers.json")
    own = bloodcell.open_run(own.folder)
    assert reviewed_patients(own)[FIRST]["basis"] is None
    first = next(iter(results_of(own)))
    assert (first.patient, first.status) == (FIRST, "final")
    assert first.results[0].method.endswith("signed by A, no cell looked at")
    assert [one for one in verify(own.folder) if not one.good] == []


def test_what_is_counted_otherwise_replaces_nothing_on_a_server(run: bloodcell.Run) -> None:
    job = replace(run.record.job, blast_equivalents="aml")
    other = replace(run, record=replace(run.record, job=job))
    names = [{one.identity for one in results_of(each)} for each in (run, other)]
    assert names[0].isdisjoint(names[1])
