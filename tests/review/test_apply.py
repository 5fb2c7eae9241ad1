"""Applying answers: shares, status, log; what does not fit changes nothing."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from helpers.drawn_runs import digests
from helpers.reviews import answers_of, planned, saved

import bloodcell
from bloodcell.audit import AuditLog, read_audit
from bloodcell.cli import main
from bloodcell.errors import DiskError, InputError, RunError
from bloodcell.review.answers import Answers, PatientAnswers
from bloodcell.review.apply import Applied, apply_answers
from bloodcell.review.folder import reviewed_cells, reviewed_patients
from bloodcell.review.planned import read_plan
from bloodcell.verification import verify

BLAST, MONOCYTE, SMUDGE = "blast_no_lineage_spec", "monocyte", "smudge_cells"
FIRST = "phantom-000"


def every_third(row: int) -> str:
    return MONOCYTE if row % 3 else BLAST


def apply(run: bloodcell.Run, answers: Answers, reviewer: str = "A") -> Applied:
    return apply_answers(bloodcell.open_run(run.folder), answers, reviewer, "answers.json")


def bad(run: bloodcell.Run) -> list[str]:
    return [finding.what for finding in verify(run.folder) if not finding.good]


def planned_cells(run: bloodcell.Run) -> Counter[str]:
    return Counter(read_plan(run)["patient"].to_pylist())


def files(folder: Path) -> dict[str, bytes]:
    # The lock names who held the folder last.
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_signed_answers_make_the_share_final_and_leave_the_networks_output(
    own_run: bloodcell.Run,
) -> None:
    before = digests(own_run.folder)
    applied = apply(own_run, answers_of(own_run, every_third, comment="few cells"))
    assert digests(own_run.folder) == before
    rows = reviewed_patients(own_run)
    assert sorted(rows) == own_run.patients["patient"].to_pylist()
    counts = planned_cells(own_run)
    for row in applied.patients:
        assert (row["status"], row["signed_by"], row["comment"]) == ("final", ["A"], "few cells")
        assert row["cells_looked_at"] == counts[row["patient"]]
        assert 0 <= row["blast_percent_low"] <= row["blast_percent"] <= row["blast_percent_high"]
        assert row["blast_percent_high"] <= 100
        assert rows[row["patient"]] == row
    assert bad(own_run) == []


def test_counts_are_those_of_the_network_with_the_corrections(own_run: bloodcell.Run) -> None:
    apply(own_run, answers_of(own_run, lambda _row: SMUDGE))
    cells = reviewed_cells(own_run)
    assert cells is not None
    for network in own_run.patients.to_pylist():
        name = network["patient"]
        reviewed = reviewed_patients(own_run)[name]
        called = [one["class"] for one in cells.to_pylist() if one["patient"] == name]
        for code in (BLAST, MONOCYTE, SMUDGE):
            became = len(called) if code == SMUDGE else 0
            expected = network[f"n_{code}"] - called.count(code) + became
            assert reviewed[f"n_{code}"] == expected


def test_what_is_not_signed_stays_preliminary(own_run: bloodcell.Run) -> None:
    applied = apply(own_run, answers_of(own_run, every_third, [FIRST], sign=False))
    assert [(row["patient"], row["status"]) for row in applied.patients] == [(FIRST, "preliminary")]
    assert list(reviewed_patients(own_run)) == [FIRST]


def test_a_remark_stays_until_it_is_replaced_or_taken_back(own_run: bloodcell.Run) -> None:
    for remark, stands in (("first", "first"), ("", "first"), ("second", "second"), (None, "")):
        given = answers_of(own_run, every_third)
        patients = {name: replace(one, comment=remark) for name, one in given.patients.items()}
        rows = apply(own_run, replace(given, patients=patients)).patients
        assert {row["comment"] for row in rows} == {stands}
    assert all(finding.good for finding in verify(own_run.folder))


def test_the_latest_answer_of_a_reviewer_counts_and_corrects_what_was_final(
    own_run: bloodcell.Run,
) -> None:
    apply(own_run, answers_of(own_run, every_third))
    again = apply(own_run, answers_of(own_run, every_third))
    assert {row["corrected"] for row in again.patients} == {False}
    changed = apply(own_run, answers_of(own_run, lambda _row: MONOCYTE))
    assert {(row["status"], row["corrected"]) for row in changed.patients} == {("final", True)}
    cells = reviewed_cells(own_run)
    assert cells is not None
    assert set(cells["reviewed_class"].to_pylist()) == {MONOCYTE}
    assert bad(own_run) == []


def test_two_who_differ_leave_it_open_until_a_third_has_looked(own_run: bloodcell.Run) -> None:
    apply(own_run, answers_of(own_run, every_third), "A")
    differs = read_plan(own_run)["row"].to_pylist()[0]
    other = lambda row: SMUDGE if row == differs else every_third(row)  # noqa: E731
    second = apply(own_run, answers_of(own_run, other), "B")
    assert second.disputed == [(FIRST, differs)]
    assert [row["status"] for row in second.patients] == ["disputed", "final", "final"]
    assert second.agreement[0]["agreed"] == second.agreement[0]["cells"] - 1
    listed = (own_run.folder / "review" / "disagreements.csv").read_text()
    assert f"{differs}," in listed
    assert f"A: {every_third(differs)}; B: {SMUDGE}" in listed
    assert bad(own_run) == []
    third = apply(own_run, answers_of(own_run, other, [FIRST]), "C")
    assert third.disputed == []
    cells = reviewed_cells(own_run)
    assert cells is not None
    of_cell = [one for one in cells.to_pylist() if one["row"] == differs]
    assert [(one["reviewer"], one["reviewed_class"]) for one in of_cell] == [
        ("A", every_third(differs)),
        ("B", SMUDGE),
        ("C", SMUDGE),
    ]
    assert {(one["counts_as"], one["disputed"]) for one in of_cell} == {(SMUDGE, False)}
    assert [row["status"] for row in third.patients] == ["final"]
    assert third.patients[0]["corrected"]
    assert third.patients[0]["signed_by"] == ["C"]  # others never saw C's answers
    assert bad(own_run) == []


def test_the_log_says_who_and_names_no_patient(own_run: bloodcell.Run) -> None:
    apply(own_run, answers_of(own_run, every_third), "Dr. Ünal")
    *_, entry = read_audit(own_run.folder / "audit.jsonl")
    assert (entry["event"], entry["number"], entry["reviewer"]) == ("review", 1, "Dr. Ünal")
    assert (entry["cells"], entry["signed"]) == (planned_cells(own_run).total(), 3)
    assert "phantom" not in json.dumps(entry)
    assert (own_run.folder / "review" / "answers" / entry["file"]).is_file()


def test_the_command_prints_shares_and_writes_the_report(
    own_run: bloodcell.Run, tmp_path: Path
) -> None:
    (own_run.folder / "report" / "index.html").unlink()
    file = saved(answers_of(own_run, every_third), tmp_path / "answers.json")
    words = ["review", "apply", str(own_run.folder), str(file), "--reviewer"]
    done = CliRunner().invoke(main, [*words, "A"])
    assert done.exit_code == 0, done.stderr
    assert "final" in done.stdout
    assert (own_run.folder / "report" / "index.html").is_file()
    saved(answers_of(own_run, every_third), file)
    as_json = json.loads(CliRunner().invoke(main, [*words, "B", "--json"]).stdout)
    assert as_json["patients"][FIRST]["reviewers"] == ["A", "B"]
    assert as_json["agreement"][0]["kappa"] == 1.0


def changed(answers: Answers, **changes: Any) -> Answers:
    return replace(answers, **changes)


def with_answer(answers: Answers, patient: str, row: int, code: str) -> Answers:
    return changed(answers, patients={patient: PatientAnswers({row: code}, False, "")})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a: with_answer(a, FIRST, 999, BLAST), "no scored cells of theirs"),
        (lambda a: with_answer(a, FIRST, 30, BLAST), "no scored cells of theirs"),
        (lambda a: with_answer(a, FIRST, 1, "blast"), "are no classes of the run"),
        (lambda a: with_answer(a, "nobody", 1, BLAST), "whom the run has not"),
        (lambda a: changed(a, run="0" * 64), "belongs to another run"),
        (lambda a: changed(a, plan="0" * 64), "is out of date"),
        (lambda a: changed(a, reviewer="B"), "holds the answers of 'B', not of 'A'"),
    ],
)
def test_answers_that_do_not_fit_are_refused_with_nothing_changed(
    own_run: bloodcell.Run, spoil: Any, message: str
) -> None:
    before = files(own_run.folder)
    with pytest.raises(InputError, match=message):
        apply(own_run, spoil(answers_of(own_run, every_third)))
    assert files(own_run.folder) == before


@pytest.mark.parametrize("name", ["", "  ", "A\nB", "\x1b[31m", "A" * 201])
def test_a_name_that_is_none_is_refused_with_nothing_changed(
    own_run: bloodcell.Run, name: str
) -> None:
    before = files(own_run.folder)
    with pytest.raises(InputError, match="no name of a reviewer"):
        apply(own_run, answers_of(own_run, every_third), name)
    assert files(own_run.folder) == before


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b'{"format": "answers 2"}'])
def test_a_file_that_holds_no_answers_is_refused(
    own_run: bloodcell.Run, tmp_path: Path, content: bytes
) -> None:
    before = files(own_run.folder)
    (tmp_path / "answers.json").write_bytes(content)
    words = ["review", "apply", str(own_run.folder), str(tmp_path / "answers.json")]
    refused = CliRunner().invoke(main, [*words, "--reviewer", "A"])
    assert refused.exit_code == 1
    assert refused.stderr.count("\n") == 1
    assert "answers.json" in refused.stderr
    assert files(own_run.folder) == before


def test_a_file_of_100_mb_is_refused_unread(own_run: bloodcell.Run, tmp_path: Path) -> None:
    with (tmp_path / "answers.json").open("wb") as file:
        file.truncate(100 << 20)
    words = ["review", "apply", str(own_run.folder), str(tmp_path / "answers.json")]
    refused = CliRunner().invoke(main, [*words, "--reviewer", "A"])
    assert refused.exit_code == 1
    assert "larger than answers are" in refused.stderr


def test_a_full_disk_changes_nothing(
    own_run: bloodcell.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(own_run, answers_of(own_run, every_third))
    before = files(own_run.folder)

    def full(_table: Any, _path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(DiskError, match="No space left"):
        apply(own_run, answers_of(own_run, lambda _row: MONOCYTE))
    assert files(own_run.folder) == before


@pytest.mark.parametrize("killed_after", ["answers", "log", "tables"])
def test_what_a_kill_leaves_the_next_call_mends(
    own_run: bloodcell.Run, monkeypatch: pytest.MonkeyPatch, killed_after: str
) -> None:
    append = AuditLog.append

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    def logged_and_killed(self: AuditLog, event: str, **facts: Any) -> None:
        append(self, event, **facts)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if killed_after == "tables":
            patch.setattr("bloodcell.review.apply.write_record", killed)
        else:
            does = killed if killed_after == "answers" else logged_and_killed
            patch.setattr(AuditLog, "append", does)
        with pytest.raises(KeyboardInterrupt):
            apply(own_run, answers_of(own_run, every_third))
    apply(own_run, answers_of(own_run, every_third))
    assert bad(own_run) == []
    assert {row["status"] for row in reviewed_patients(own_run).values()} == {"final"}


def test_answers_apply_behind_a_line_of_the_log_that_a_full_disk_cut(
    own_run: bloodcell.Run,
) -> None:
    with (own_run.folder / "audit.jsonl").open("a") as log:
        log.write('{"event": "review", "numb')
    assert bad(own_run) == ["audit log"]
    apply(own_run, answers_of(own_run, every_third))
    assert bad(own_run) == []


def test_a_log_that_was_cut_is_refused(own_run: bloodcell.Run) -> None:
    log = own_run.folder / "audit.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(RunError, match=r"does not end as run\.json says"):
        apply(own_run, answers_of(own_run, every_third))


def test_a_review_stays_good_when_the_plan_grows(own_run: bloodcell.Run) -> None:
    apply(own_run, answers_of(own_run, every_third))
    planned(own_run, 3)
    assert bad(own_run) == []
    more = apply(own_run, answers_of(own_run, every_third))
    assert {row["patient"]: row["cells_looked_at"] for row in more.patients} == planned_cells(
        own_run
    )
    assert bad(own_run) == []


def test_a_changed_review_is_found(own_run: bloodcell.Run) -> None:
    apply(own_run, answers_of(own_run, every_third))
    apply(own_run, answers_of(own_run, lambda _row: MONOCYTE), "B")
    tables, texts = ("patients.parquet", "cells.parquet"), ("agreement.json", "disagreements.csv")
    for name in (*tables, *texts, "answers/001-A.json"):
        path = own_run.folder / "review" / name
        before = path.read_bytes()
        if path.suffix != ".parquet":
            path.write_text(path.read_text().replace(MONOCYTE, BLAST))
        else:
            table = pq.read_table(path, partitioning=None)
            pq.write_table(table.slice(1), path)
        assert bad(own_run) == ["review"], name
        path.write_bytes(before)
    (own_run.folder / "review" / "patients.parquet").unlink()
    assert bad(own_run) == ["review"]


def test_a_review_of_other_results_counts_for_nothing(
    own_run: bloodcell.Run, caplog: pytest.LogCaptureFixture
) -> None:
    apply(own_run, answers_of(own_run, every_third))
    path = own_run.folder / "patients.parquet"
    table = pq.read_table(path, partitioning=None)
    pq.write_table(table.replace_schema_metadata({"counted": "anew"}), path)
    assert reviewed_patients(own_run) == {}
    assert "counted anew since" in caplog.text
