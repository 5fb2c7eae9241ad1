"""CSV in the forms that spreadsheets and programs write: as Python's csv reads it, or refused."""

import csv
import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bloodcell.errors import InputError
from bloodcell.input import csv_tables
from bloodcell.input.manifest import freeze_manifest
from bloodcell.labels import read_labels

MIB = 1 << 20
notes = st.text(st.one_of(st.sampled_from('a,;\t"\n\r \u00e9\u2028'), st.characters(codec="utf-8")))


def frozen(source: Path, tmp_path: Path) -> list[dict[str, object]]:
    freeze_manifest(source, tmp_path / "frozen.parquet", 4096)
    rows: list[dict[str, object]] = pq.read_table(tmp_path / "frozen.parquet").to_pylist()
    return rows


def written(rows: list[dict[str, str]], delimiter: str = ",", end: str = "\n") -> str:
    out = io.StringIO(newline="")
    # Python quotes only what its own line end has; a carriage return alone ends a line too.
    quoting = csv.QUOTE_MINIMAL if end == "\r\n" else csv.QUOTE_ALL
    columns = ["path", "patient", "note"]
    writer = csv.DictWriter(out, columns, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def read_by_python(text: str, delimiter: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def rows_with(notes: list[str], least_bytes: int = 0) -> list[dict[str, str]]:
    """Rows that have the notes in turn, as many as ``least_bytes`` take."""
    size = sum(len(note.encode()) + 20 for note in notes)
    repeated = notes * (least_bytes // size + 1)
    return [
        {"path": f"P{i % 7}/{i}.jpg", "patient": f"P{i % 7}", "note": note}
        for i, note in enumerate(repeated)
    ]


def check_reading(rows: list[dict[str, str]], tmp_path: Path, delimiter: str, end: str) -> None:
    text = written(rows, delimiter, end)
    (tmp_path / "m.csv").write_bytes(text.encode())
    expected = read_by_python(text, delimiter)
    assert [row["path"] for row in expected] == [row["path"] for row in rows]
    assert frozen(tmp_path / "m.csv", tmp_path) == [
        {"row": i, **row} for i, row in enumerate(expected)
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(notes, min_size=1), st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n", "\r"]))
def test_every_table_reads_as_python_reads_it(
    tmp_path: Path, notes: list[str], delimiter: str, end: str
) -> None:
    check_reading(rows_with(notes), tmp_path, delimiter, end)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=5
)
@given(st.lists(notes, min_size=1, max_size=50), st.sampled_from(",;\t"))
def test_tables_of_over_a_mebibyte_read_as_python_reads_them(
    tmp_path: Path, notes: list[str], delimiter: str
) -> None:
    check_reading(rows_with(["weak stain\nseen, again", *notes], MIB), tmp_path, delimiter, "\n")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.one_of(st.sampled_from(["", "weak", "é"]), notes), min_size=1, max_size=30))
def test_where_plain_lines_end_and_others_begin_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: list[str]
) -> None:
    monkeypatch.setattr(csv_tables, "_BYTES_AT_ONCE", 50)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["path", "patient", "note"])
    writer.writerows([f"{i}.jpg", "P", note.replace("\r", "")] for i, note in enumerate(notes))
    (tmp_path / "m.csv").write_bytes(text.getvalue().encode())
    assert frozen(tmp_path / "m.csv", tmp_path) == [
        {"row": i, **row} for i, row in enumerate(read_by_python(text.getvalue()))
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"b.jpg\n", "row 200002: 1 fields"),
        (b"b\xfc.jpg,p\n", r"after line 19\d{4} .*byte 0xfc"),
        (b'b.jpg,"p\n', r"after line 19\d{4}: unexpected end of data"),
        (b"b" * 200_000 + b".jpg,p\n", r"after line 19\d{4}: field larger"),
    ],
)
def test_a_fault_behind_many_plain_lines_is_told_with_its_place(
    tmp_path: Path, line: bytes, message: str
) -> None:
    plain = b"".join(b"P/%06d-of-a-long-night.jpg,P\n" % i for i in range(200_000))
    (tmp_path / "m.csv").write_bytes(b"path,patient\n" + plain + line)
    with pytest.raises(InputError, match=message):
        frozen(tmp_path / "m.csv", tmp_path)


@pytest.mark.parametrize("shift", range(0, 40, 3))
def test_a_quoted_line_break_at_any_offset_makes_no_row(tmp_path: Path, shift: int) -> None:
    rows = rows_with(["x" * shift, *["weak stain\nseen, again, by AB"] * 999], MIB + 99)
    check_reading(rows, tmp_path, ",", "\r\n")


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-with-mark", "utf-16-be-with-mark"]
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_a_spreadsheet_saves_is_read(tmp_path: Path, encoding: str, delimiter: str) -> None:
    text = written([{"path": "Müller/1.jpg", "patient": "Müller", "note": "1,5; x"}], delimiter)
    if encoding.endswith("-with-mark"):
        text, encoding = "\ufeff" + text, encoding.removesuffix("-with-mark")
    (tmp_path / "m.csv").write_bytes((text + "\n\n").encode(encoding))
    assert frozen(tmp_path / "m.csv", tmp_path) == [
        {"row": 0, "path": "Müller/1.jpg", "patient": "Müller", "note": "1,5; x"}
    ]
    (tmp_path / "l.csv").write_bytes(text.replace("patient", "class").encode(encoding))
    assert read_labels(tmp_path / "l.csv", ("path", "class")) == [
        {"path": "Müller/1.jpg", "class": "Müller", "note": "1,5; x"}
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,patient\nMüller/1.jpg,p\n".encode("latin-1"), "is not UTF-8.*byte 0xfc"),
        ("path,patient\na.jpg,p\n".encode("utf-16-le"), "in UTF-16 without its mark"),
        (b'path,patient\na.jpg,"p\nb.jpg,q\n', "no whole CSV .*unexpected end of data"),
        (b'path,patient,note\na,p,"weak"er\nb,p,x\n', "no whole CSV .*expected after"),
        (b'path,patient,note\na,p,"weak\nb,p,"dark"\n', "no whole CSV .*expected after"),
        (b"path|patient\na.jpg|p\n", "Comma, semicolon or tab divide them"),
        (b"path;patient\na.jpg,p\n", "row 2: 1 fields"),
        (b"path,path,patient\na,b,p\n", r"has the columns \['path'\] more than once"),
        (b"path,patient\n" + b"a" * 200_000 + b",p\n", "field larger than field limit"),
    ],
)
def test_what_cannot_be_read_right_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(InputError, match=rf"m\.csv.*{message}"):
        frozen(tmp_path / "m.csv", tmp_path)
    (tmp_path / "l.csv").write_bytes(content)
    with pytest.raises(InputError, match=rf"l\.csv.*{message}"):
        read_labels(tmp_path / "l.csv", ("path", "patient"))
