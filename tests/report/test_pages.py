"""The pages as files: numbers are the table's, names are text, nothing comes from outside."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from helpers.report_pages import HOSTILE_NAMES, Parsed, data_of, page_path, place_of
from helpers.reviews import seen

import bloodcell
from bloodcell._core import REASONS
from bloodcell.audit import read_audit
from bloodcell.rejections import REJECTED_AS
from bloodcell.report import write_report
from bloodcell.review.answers import Answers, PatientAnswers, run_identity
from bloodcell.review.apply import apply_answers
from bloodcell.review.planned import plan_identity
from bloodcell.run import Run


def pages_of(run: Run) -> list[Path]:
    folder = run.folder / "report"
    return [folder / "index.html", *sorted((folder / "patients").glob("*.html"))]


def as_shown(value: float | None, *, is_chance: bool) -> str:
    if value is None:
        return "–"  # noqa: RUF001
    if is_chance:
        rounded = f"{100 * value:.0f} %"
        return "< 1 %" if 0 < value < 0.01 else "> 99 %" if 0.99 < value < 1 else rounded
    return f"{value:,}" if isinstance(value, int) else f"{value:.1f}"


def assert_numbers_are(row: dict[str, object], numbers: list[tuple[str, str, str]]) -> None:
    for column, value, shown in numbers:
        expected = row[column]
        assert expected is None or isinstance(expected, int | float)
        assert value == ("" if expected is None else str(expected))
        assert shown == as_shown(expected, is_chance=column.startswith("band_"))


@pytest.mark.parametrize("name", ["phantom-000", "phantom-001", "phantom-002"])
def test_every_number_of_a_patients_page_is_the_tables(run: Run, name: str) -> None:
    row = run.patients.to_pylist()[place_of(run, name)]
    numbers = Parsed(page_path(run, name).read_text()).numbers
    assert_numbers_are(row, numbers)
    on_the_page = {column for column, _, _ in numbers}
    not_numbers = {"patient", "adjustment", "sufficient"}
    assert on_the_page | {"unidentified_per_100"} == row.keys() - not_numbers


def test_unidentified_cells_are_said_in_all_and_by_class(run: Run) -> None:
    html = page_path(run, "phantom-001").read_text()
    row = run.patients.to_pylist()[place_of(run, "phantom-001")]
    n = row["unidentified"]
    assert n > 0
    said = f"{n} of the scored cells ({100 * n / row['scored']:.1f} %) are unidentified"
    assert said in " ".join(Parsed(html).text.split())
    of_class = r'<tr data-code="(\w+)".*?<td class="n unsure">(\d*)</td>'
    shown = {code: int(count or 0) for code, count in re.findall(of_class, html)}
    cells = run.cells(["patient", "class", "probabilities"]).to_pylist()
    own = [c for c in cells if c["patient"] == "phantom-001" and max(c["probabilities"]) < 0.5]
    assert shown == {code: sum(c["class"] == code for c in own) for code in run.scheme.codes}


def test_every_number_of_the_overview_is_the_tables(ward: Run) -> None:
    html = pages_of(ward)[0].read_text().split("<tbody>")[1].split("</tbody>")[0]
    in_rows = [Parsed(one).numbers for one in html.split("<tr ")[1:]]
    rows = ward.patients.to_pylist()
    for row, numbers in zip(rows, in_rows, strict=True):
        assert_numbers_are(row, numbers)
        assert {"blast_percent", "blast_percent_naive", "denominator", "cells", "rejected"} <= {
            column for column, _, _ in numbers
        }


def test_totals_add_up_and_rejected_cells_are_named(ward: Run) -> None:
    cells = 100 + len(HOSTILE_NAMES) + 24
    text = Parsed(pages_of(ward)[0].read_text()).text
    assert f"{cells + 1} cells = {cells} scored + 1 rejected" in text
    assert "Rejected: 1 not an image." in text
    whole = Parsed(page_path(ward, "whole").read_text()).text
    assert "25 cells = 24 scored + 1 rejected" in " ".join(whole.split())
    assert "<b>bad<" in whole


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_name_is_text_and_no_files_name(ward: Run, name: str) -> None:
    html = page_path(ward, name).read_text()
    page = Parsed(html)
    assert name in page.text
    assert data_of(page_path(ward, name))["patient"] == name
    assert sum(tag == "script" for tag, _ in page.tags) == 8
    assert not any(tag in ("img", "b") for tag, _ in page.tags)


def test_nothing_in_a_page_runs_or_comes_from_outside(ward: Run) -> None:
    for path in pages_of(ward):
        html = path.read_text()
        policies = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
        assert len(policies) == 1
        assert policies[0].startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert "unsafe" not in policies[0]
        for tag, attributes in Parsed(html).tags:
            assert "style" not in attributes
            assert not [name for name in attributes if name.startswith("on")]
            assert tag not in ("style", "iframe", "object", "embed", "base")
            for name in ("src", "href"):
                link = attributes.get(name) or ""
                assert "//" not in link
                assert ":" not in link.removeprefix("data:,")


def test_unsigned_is_preliminary_on_every_page(ward: Run) -> None:
    for path in pages_of(ward):
        text = Parsed(path.read_text()).text
        assert "Preliminary" in text
        assert "Research use only." in text
        assert ward.record.job.model_sha256 in text
        assert ward.record.manifest_sha256 in text


def test_pages_list_classes_as_haematologists_do(run: Run) -> None:
    names = [one["name"] for one in data_of(page_path(run, "phantom-000"))["classes"]]
    assert names[:6] == [
        "Blast, no lineage specified", "Promyelocyte", "Myelocyte", "Metamyelocyte",
        "Band neutrophil", "Segmented neutrophil",
    ]  # fmt: skip
    html = page_path(run, "phantom-000").read_text()
    places = [html.index(f'<th scope="row">{name}</th>') for name in names]
    assert places == sorted(places)


def reviewed(run: Run, folder: Path) -> Run:
    """A copy of ``run`` whose first patient was signed, and whose second is disputed."""
    shutil.copytree(run.folder, folder)
    copy = bloodcell.open_run(folder)
    rows = {name: planned_rows(copy, name) for name in ("phantom-000", "phantom-001")}
    for reviewer, code in (("A. Reader", "monocyte"), ("<b>B", "lymphocyte")):
        answers = {
            "phantom-000": PatientAnswers(dict.fromkeys(rows["phantom-000"], "monocyte"), True, ""),
            "phantom-001": PatientAnswers({rows["phantom-001"][0]: code}, True, "<i>odd"),
        }
        answers = {name: replace(one, seen=seen(copy, name)) for name, one in answers.items()}
        given = Answers(run_identity(copy), plan_identity(copy), "", answers)
        copy = apply_answers(copy, given, reviewer, "answers").run
    write_report(copy)
    return copy


def planned_rows(run: Run, patient: str) -> list[int]:
    plan = pq.read_table(run.folder / "review" / "plan.parquet").to_pylist()
    return [planned["row"] for planned in plan if planned["patient"] == patient]


def test_what_was_signed_is_final_and_the_networks_share_stays(
    demanding_run: Run, tmp_path: Path
) -> None:
    copy = reviewed(demanding_run, tmp_path / "run")
    review = pq.read_table(copy.folder / "review" / "patients.parquet").to_pylist()[0]
    html = page_path(copy, "phantom-000").read_text()
    text = " ".join(Parsed(html).text.split())
    signed = [entry["time"] for entry in read_audit(copy.folder / "audit.jsonl")][-1]
    at = f"{signed[:10]} {signed[11:16]} UTC"
    scored = f"Scored {demanding_run.record.finished}"
    assert f"Final Signed: A. Reader, <b>B, {at}. {scored}" in text
    low, high = review["blast_percent_low"], review["blast_percent_high"]
    assert f"95 % interval {low:.1f} to {high:.1f} %, after" in text
    assert_numbers_are(demanding_run.patients.to_pylist()[0], Parsed(html).numbers)
    monocytes = re.search(r'data-code="monocyte".*?corrected">([\d,]+) \(', html)
    assert monocytes
    assert int(monocytes[1]) == review["n_monocyte"]


def test_what_readers_differ_on_is_disputed(run: Run, tmp_path: Path) -> None:
    copy = reviewed(run, tmp_path / "run")
    html = page_path(copy, "phantom-001").read_text()
    text = " ".join(Parsed(html).text.split())
    assert "Readers disagree on 1 cell: a third reading is due." in text
    assert "Remark of A. Reader: <i>odd Remark of <b>B: <i>odd" in text
    row = planned_rows(copy, "phantom-001")[0]
    assert data_of(page_path(copy, "phantom-001"))["disputed"] == [row]
    index = (copy.folder / "report" / "index.html").read_text()
    assert dict(re.findall(r'data-patient="(\d)".*?data-look="(\d+)"', index))["0"] == "0"
    assert re.findall(r'data-status="(\w+)"', index) == ["final", "disputed", "preliminary"]
    tiles = " ".join(Parsed(index.split("</ul>")[0]).text.split())
    assert "1 final 1 preliminary: not signed 1 disputed: readers differ" in tiles


def test_the_most_likely_band_is_marked_and_read_as_of_a_myeloid_neoplasm(run: Run) -> None:
    bands = ["band_under_5", "band_5_9", "band_10_19", "band_20_up"]
    adjusted = [one for one in run.patients.to_pylist() if one["blast_percent"] is not None]
    assert adjusted
    for row in adjusted:
        html = page_path(run, row["patient"]).read_text()
        table = html.split('<table class="bands">')[1].split("</table>")[0]
        marked = ["likely" in one for one in re.findall(r"<tr[^>]*>", table)[2:]]
        most = max(bands, key=lambda name, row=row: row[name])
        assert marked == [name == most for name in bands]
        text = " ".join(Parsed(html).text.split())
        assert "in a myeloid neoplasm without defining genetics" in text
        assert "the classes do not tell myeloid from lymphoid blasts" in text
        assert "The share is of the cells that were scored; interval and bands are of" in text


def test_one_is_not_said_as_many_and_reasons_are_words(ward: Run) -> None:
    assert REJECTED_AS.keys() == set(REASONS) - {""}
    texts = [" ".join(Parsed(path.read_text()).text.split()) for path in pages_of(ward)]
    for text in texts:
        assert not re.search(r"(?<![\d,.])1 (cells|leukocytes|patients|files)\b|these 1 ", text)
        assert not [code for code in REASONS if "_" in code and code in text]
    assert sum("What this cell is tells most about the share." in text for text in texts) > 0
    assert sum("1 leukocyte is the denominator." in text for text in texts) > 0


def test_of_a_patient_without_a_scored_image_that_is_said(
    drawn_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "in" / "none").mkdir(parents=True)
    (tmp_path / "in" / "none" / "a.jpg").write_bytes(b"no image")
    none = bloodcell.score(tmp_path / "in", tmp_path / "run", drawn_model)
    text = " ".join(Parsed(page_path(none, "none").read_text()).text.split())
    assert "Not adjusted: no image could be scored" in text
    assert "No image of this patient could be scored: there is no cell to look at." in text
    assert "no leukocytes" not in text
    assert "No cell of this patient has to be looked at" not in text


def test_what_was_left_out_of_the_input_is_said(run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(run.folder, tmp_path / "run")
    copy = Run(folder, replace(run.record, left_out_files={"of a NAS": 3}))
    write_report(copy)
    text = Parsed((folder / "report" / "index.html").read_text()).text
    assert "Left out of the input, for they are no cells: 3 files (of a NAS)." in text


def test_pictures_of_evaluate_are_linked_if_they_are_there(run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(run.folder, tmp_path / "run")
    (folder / "evaluation").mkdir()
    (folder / "evaluation" / "roc.svg").write_text("<svg/>")
    write_report(bloodcell.open_run(folder))
    assert 'href="../evaluation/roc.svg"' in (folder / "report" / "index.html").read_text()
    assert "../evaluation" not in (run.folder / "report" / "index.html").read_text()


def test_the_interval_of_the_blood_stands_below_that_of_cells_that_were_looked_at(
    demanding_run: Run, tmp_path: Path
) -> None:
    copy = reviewed(demanding_run, tmp_path / "run")
    adjusted = [one["patient"] for one in copy.patients.to_pylist() if one["blast_percent"]]
    unseen = next(name for name in adjusted if name not in ("phantom-000", "phantom-001"))
    answers = {unseen: PatientAnswers({}, True, "")}
    given = Answers(run_identity(copy), plan_identity(copy), "", answers)
    copy = apply_answers(copy, given, "C", "answers").run
    write_report(copy)
    looked_at, signed = (page_path(copy, name).read_text() for name in ("phantom-000", unseen))
    assert 'id="blood"' in looked_at
    assert "Share and interval after review are of the cells" in looked_at
    # As the network has it the interval is of the blood already.
    assert 'id="blood"' not in signed
    assert "interval and bands are of the" in signed
    assert by_hand_of(signed) == by_hand_of(page_path(demanding_run, unseen).read_text())


def by_hand_of(html: str) -> str:
    return html.split('id="by-hand">')[1].split("<", maxsplit=1)[0]


def test_a_page_that_would_be_the_same_is_not_written_again(run: Run, tmp_path: Path) -> None:
    copy = reviewed(run, tmp_path / "run")
    before = {path: path.stat().st_ino for path in pages_of(copy)}
    third = planned_rows(copy, "phantom-002")[:1]
    answers = {"phantom-002": PatientAnswers(dict.fromkeys(third, "monocyte"), False, "")}
    given = Answers(run_identity(copy), plan_identity(copy), "", answers)
    write_report(apply_answers(copy, given, "C", "answers").run)
    again = [path.name for path, inode in before.items() if path.stat().st_ino != inode]
    assert again == ["index.html", "00003.html"]


def test_a_report_written_anew_is_the_same(run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(run.folder, tmp_path / "run")
    before = {path: path.read_bytes() for path in (folder / "report").rglob("*.*")}
    shutil.rmtree(folder / "report")
    write_report(bloodcell.open_run(folder))
    assert {path: path.read_bytes() for path in (folder / "report").rglob("*.*")} == before


def test_the_page_carries_what_answers_must_name(run: Run) -> None:
    for path in pages_of(run):
        data = data_of(path)
        assert data["run"] == run_identity(run)
        assert data["plan"] == plan_identity(run)


def test_the_plans_cells_are_all_on_the_page(run: Run) -> None:
    plan = pq.read_table(run.folder / "review" / "plan.parquet").to_pylist()
    for name in run.patients["patient"].to_pylist():
        on_the_page = {c["row"]: c["order"] for c in data_of(page_path(run, name))["cells"]}
        planned = {p["row"]: p["order"] for p in plan if p["patient"] == name}
        assert {row: order for row, order in on_the_page.items() if order} == planned
    assert json.dumps(plan) != "[]"
