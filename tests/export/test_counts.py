"""Each number has its own numerator, denominator and method, and none claims another's."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.reviews import planned

import bloodcell
from bloodcell.export import export
from bloodcell.export.results import PERCENT, PatientResults, results_of
from bloodcell.review.answers import Answers, PatientAnswers, run_identity
from bloodcell.review.apply import apply_answers
from bloodcell.review.leukocytes import counted_scheme
from bloodcell.review.planned import plan_identity

BLAST, SMUDGE = "blast_no_lineage_spec", "smudge_cells"
FIRST = "phantom-000"


def reviewed(run: bloodcell.Run, folder: Path, cells: int | None = None) -> PatientResults:
    """The first patient, of whom a reader calls so many leukocytes smudge cells, or all."""
    own = planned(bloodcell.open_run(shutil.copytree(run.folder, folder)))
    scheme = counted_scheme(own)
    leukocytes = np.array(scheme.codes)[scheme.is_leukocyte]
    rows = [
        cell["row"]
        for cell in own.cells(["row", "patient", "class"]).to_pylist()
        if cell["patient"] == FIRST and cell["class"] in leukocytes
    ]
    given = {FIRST: PatientAnswers(dict.fromkeys(rows[:cells], SMUDGE), True, "")}
    answers = Answers(run_identity(own), plan_identity(own), "", given)
    apply_answers(own, answers, "A", "answers.json")
    return next(iter(results_of(bloodcell.open_run(own.folder))))


@pytest.fixture(scope="module")
def first(demanding_run: bloodcell.Run, tmp_path_factory: pytest.TempPathFactory) -> PatientResults:
    return reviewed(demanding_run, tmp_path_factory.mktemp("counts") / "run", 3)


def test_every_count_is_of_its_own_denominator(
    first: PatientResults, demanding_run: bloodcell.Run
) -> None:
    before = demanding_run.patients.to_pylist()[0]["denominator"]
    counts = [one for one in first.results if one.cells is not None]
    for one in counts:
        assert one.value == pytest.approx(100 * one.cells / one.denominator)
    by_code = {one.code: one.denominator for one in first.results}
    assert by_code["blast_percent_naive"] == by_code["blast_percent_adjusted"] == before
    assert by_code["blast_percent"] == by_code[f"n_{BLAST}"] == first.denominator == before - 3
    assert sum(
        one.cells for one in counts if one.code.startswith("n_") and one.unit == PERCENT
    ) == (first.denominator)


def test_counts_by_class_say_how_they_were_corrected(
    first: PatientResults, demanding_run: bloodcell.Run
) -> None:
    untouched = next(iter(results_of(demanding_run)))
    for one, corrected in (untouched, False), (first, True):
        methods = {each.method for each in one.results if each.code.startswith("n_")}
        (method,) = methods
        assert ("3 of 3 cells looked at were corrected by readers" in method) == corrected
        assert any("Counts by class do not add up to it" in note for note in one.notes)


def test_messages_have_the_denominator_beside_a_number_that_has_another(
    first: PatientResults, demanding_run: bloodcell.Run, tmp_path: Path
) -> None:
    before = demanding_run.patients.to_pylist()[0]["denominator"]
    reviewed(demanding_run, tmp_path / "run", 3)
    run = bloodcell.open_run(tmp_path / "run")
    lines = min(export(run, "hl7").iterdir()).read_bytes().decode().split("\r")
    values = {
        line.split("|")[3].split("^")[0]: line.split("|")[5] for line in lines if "OBX" in line
    }
    assert values["denominator"] == str(first.denominator)
    assert values["blast_percent_naive_denominator"] == str(before)
    assert f"n_{BLAST}_denominator" not in values


def test_a_patient_without_leukocytes_is_none_without_images(
    demanding_run: bloodcell.Run, tmp_path: Path
) -> None:
    one = reviewed(demanding_run, tmp_path / "run")
    reasons = {each.why_not for each in one.results if each.code != "blast_percent_adjusted"}
    assert reasons == {"", "no leukocytes"}
    assert one.results[0].why_not == "no leukocytes"
