"""What becomes a row of the manifest, and what is refused."""

from functools import partialmethod
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bloodcell import _core
from bloodcell.errors import InputError
from bloodcell.input.manifest import freeze_manifest, patient_names


def _freeze(source: Path, tmp_path: Path, rows_per_group: int = 3) -> pa.Table:
    target = tmp_path / "frozen.parquet"
    freeze_manifest(source, target, rows_per_group)
    return pq.read_table(target)


def _touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def test_a_subfolder_is_a_patient_and_every_file_in_it_a_cell(tmp_path: Path) -> None:
    root = _touch(tmp_path / "in", "b/2.jpg", "b/1.jpg", "a/slide1/x.tif", "a/notes.txt", "a/.x")
    table = _freeze(root, tmp_path)
    assert table.to_pydict() == {
        "row": [0, 1, 2, 3],
        "path": ["a/notes.txt", "a/slide1/x.tif", "b/1.jpg", "b/2.jpg"],
        "patient": ["a", "a", "b", "b"],
    }


def test_a_folder_without_subfolders_is_one_patient(tmp_path: Path) -> None:
    table = _freeze(_touch(tmp_path / "smear7", "1.jpg", "2.jpg"), tmp_path)
    assert table["patient"].to_pylist() == ["smear7", "smear7"]


def test_labels_beside_the_patients_are_no_cells_but_stray_images_are_refused(
    tmp_path: Path,
) -> None:
    root = _touch(tmp_path / "in", "a/1.jpg", "labels.csv")
    assert _freeze(root, tmp_path).num_rows == 1
    _touch(root, "stray.jpg")
    with pytest.raises(InputError, match=r"stray\.jpg"):
        _freeze(root, tmp_path)


def test_a_name_that_is_not_utf8_stays_in_the_count(tmp_path: Path) -> None:
    root = _touch(tmp_path / "in", "a/1.jpg")
    (root / "a" / "caf\udce9.jpg").write_bytes(b"x")
    table = _freeze(root, tmp_path)
    assert table["path"].to_pylist() == ["a/1.jpg", "a/caf\\xe9.jpg"]


def test_one_file_by_its_absolute_path_and_by_its_own_is_listed_twice(tmp_path: Path) -> None:
    source = tmp_path / "m.csv"
    source.write_text(f"path,patient\n{tmp_path}/p/a.jpg,p\np/a.jpg,q\n")
    with pytest.raises(InputError, match=r"lists p/a\.jpg more than once"):
        _freeze(source, tmp_path)


def test_absolute_paths_and_those_that_lead_up_stay_as_they_are(tmp_path: Path) -> None:
    source = tmp_path / "m.csv"
    source.write_text("path,patient\n/data/a.jpg,p\n../other/b.jpg,p\n")
    assert _freeze(source, tmp_path)["path"].to_pylist() == ["/data/a.jpg", "../other/b.jpg"]


def test_csv_keeps_text_as_text_and_carries_columns(tmp_path: Path) -> None:
    source = tmp_path / "m.csv"
    source.write_text("\ufeffpatient,path,site\n007,a.jpg,01\n007,b.jpg,02\n")
    table = _freeze(source, tmp_path)
    assert table.to_pydict() == {
        "row": [0, 1],
        "path": ["a.jpg", "b.jpg"],
        "patient": ["007", "007"],
        "site": ["01", "02"],
    }


def test_parquet_equals_csv(tmp_path: Path) -> None:
    columns = {"path": ["a.jpg", "b.jpg"], "patient": ["p", "q"]}
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    (tmp_path / "m.csv").write_text("path,patient\na.jpg,p\nb.jpg,q\n")
    assert _freeze(tmp_path / "m.parquet", tmp_path) == _freeze(tmp_path / "m.csv", tmp_path)


def test_equal_strings_have_equal_hashes() -> None:
    from bloodcell.engine.source import string_buffers

    offsets, data = string_buffers(pa.array(["a.jpg", "b.jpg", "", "a.jpg"]))
    first, other, empty, again = _core.hash_strings(offsets, data).tolist()
    assert first == again
    # FNV-1a of nothing is its published offset basis.
    assert empty == 0xCBF29CE484222325
    assert len({first, other, empty}) == 3
    with pytest.raises(ValueError, match="offsets up to 15"):
        _core.hash_strings(np.array([0, 99]), data)


def test_row_groups_hold_whole_parts(tmp_path: Path) -> None:
    source = tmp_path / "m.csv"
    source.write_text("path,patient\n" + "".join(f"{i}.jpg,p{i % 2}\n" for i in range(8)))
    _freeze(source, tmp_path, rows_per_group=3)
    meta = pq.read_metadata(tmp_path / "frozen.parquet")
    assert [meta.row_group(i).num_rows for i in range(meta.num_row_groups)] == [3, 3, 2]
    assert patient_names(tmp_path / "frozen.parquet").to_pylist() == ["p0", "p1"]


def test_the_same_rows_freeze_to_the_same_bytes(tmp_path: Path) -> None:
    for name, path in (("one", "a.jpg"), ("two", "a.jpg"), ("other", "b.jpg")):
        (tmp_path / "m.csv").write_text(f"path,patient\n{path},p\n")
        freeze_manifest(tmp_path / "m.csv", tmp_path / name, 3)
    one, two, other = ((tmp_path / name).read_bytes() for name in ("one", "two", "other"))
    assert one == two != other


def test_a_folder_reached_twice_is_refused(tmp_path: Path) -> None:
    root = _touch(tmp_path / "in", "a/1.jpg", "b/2.jpg")
    (root / "b" / "again").symlink_to(root / "a")
    with pytest.raises(InputError, match="would count twice"):
        _freeze(root, tmp_path)
    (root / "b" / "again").unlink()
    (root / "b" / "again").symlink_to(".")
    with pytest.raises(InputError, match="would count twice"):
        _freeze(root, tmp_path)


def test_an_empty_patient_is_spoken_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = _touch(tmp_path / "in", "a/1.jpg")
    (root / "b").mkdir()
    assert _freeze(root, tmp_path)["patient"].to_pylist() == ["a"]
    assert f"1 folders in {root} are empty" in caplog.text


def test_one_patient_of_many_folders_is_spoken_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = _touch(tmp_path / "in", "SMEARS/P1/1.jpg", "SMEARS/P2/2.jpg", "SMEARS/P2/deep/3.jpg")
    assert set(_freeze(root, tmp_path)["patient"].to_pylist()) == {"SMEARS"}
    assert "are of one patient and lie in several folders: " in caplog.text
    caplog.clear()
    _freeze(root / "SMEARS", tmp_path)
    _freeze(root / "SMEARS" / "P1", tmp_path)
    assert not caplog.text


OF_NIGHTS = {
    "two nights": ["N1/P1/1.jpg", "N1/P2/1.jpg", "N2/P3/1.jpg", "N2/P4/1.jpg"],
    "lists beside them": ["N1/P1/1.jpg", "N1/P2/1.jpg", "N1/a.csv", "N2/P3/1.jpg", "N2/P4/1.jpg"],
    "a night of one patient": ["N1/P1/1.jpg", "N1/P2/1.jpg", "N2/P3/1.jpg"],
    "one stray image": ["N1/P1/1.jpg", "N1/P2/1.jpg", "N2/P3/1.jpg", "N2/P4/1.jpg", "N3/1.jpg"],
}
OF_PATIENTS = {
    "no folders": ["P1/1.jpg", "P2/1.jpg"],
    "one of slides among others": ["P1/a/1.jpg", "P1/b/1.jpg", "P2/1.jpg", "P3/1.jpg"],
    "one of slides beside another": ["P1/a/1.jpg", "P1/b/1.jpg", "P2/1.jpg"],
    "a slide each": ["P1/a/1.jpg", "P1/a/2.jpg", "P2/b/1.jpg"],
    "images beside slides": ["P1/1.jpg", "P1/a/1.jpg", "P1/b/1.jpg", "P2/1.JPG", "P2/a/1.jpg"],
}


@pytest.mark.parametrize("layout", [*OF_NIGHTS, *OF_PATIENTS])
@pytest.mark.parametrize("rows_at_once", [2, 65536])
def test_nights_of_patients_are_spoken_of_and_slides_of_some_patients_are_not(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    layout: str,
    rows_at_once: int,
) -> None:
    iter_batches = pq.ParquetFile.iter_batches
    few = partialmethod(iter_batches, rows_at_once)
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", few)
    _freeze(_touch(tmp_path / "in", *(OF_NIGHTS | OF_PATIENTS)[layout]), tmp_path)
    assert ("lie in several folders below theirs" in caplog.text) == (layout in OF_NIGHTS)


def test_a_manifest_says_whose_cells_are_in_which_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "m.csv").write_text("path,patient\nN1/P1/1.jpg,N1\nN1/P2/1.jpg,N1\n")
    _freeze(tmp_path / "m.csv", tmp_path)
    assert not caplog.text


@pytest.mark.parametrize("names", [("trail", "trail "), ("p 1", "p\u00a01"), ("a", "a\u200b")])
def test_folders_that_look_alike_are_not_two_patients(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    root = _touch(tmp_path / "in", *(f"{name}/1.jpg" for name in names))
    with pytest.raises(InputError, match="and nobody could tell apart"):
        _freeze(root, tmp_path)


def test_patients_whose_names_differ_in_case_alone_are_spoken_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _freeze(_touch(tmp_path / "in", "p001/1.jpg", "P001/1.jpg", "P002/1.jpg"), tmp_path)
    assert "differ in the case of letters alone (P001, p001)" in caplog.text
    caplog.clear()
    _freeze(_touch(tmp_path / "other", "p001/1.jpg", "P002/1.jpg"), tmp_path)
    assert not caplog.text


def test_a_name_keeps_its_blanks_where_no_other_looks_like_it(tmp_path: Path) -> None:
    root = _touch(tmp_path / "in", "trail /1.jpg", "Anna\u00a0M/1.jpg")
    assert _freeze(root, tmp_path)["patient"].to_pylist() == ["Anna\u00a0M", "trail "]


def test_paths_with_blanks_at_their_ends_are_spoken_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "m.csv").write_text("path,patient\na.jpg ,p\nb.jpg,p\n c.jpg,p\n")
    assert _freeze(tmp_path / "m.csv", tmp_path)["path"].to_pylist() == [
        "a.jpg ",
        "b.jpg",
        " c.jpg",
    ]
    assert "2 paths in" in caplog.text
    assert "begin or end with a blank, the first is 'a.jpg '" in caplog.text


def test_a_parquet_row_without_a_patient_is_named(tmp_path: Path) -> None:
    columns = {"path": ["a.jpg", "b.jpg"], "patient": ["p", None]}
    pq.write_table(pa.table(columns), tmp_path / "m.parquet")
    with pytest.raises(InputError, match=r"row 2 \(path 'b\.jpg'\) has an empty 'patient'"):
        _freeze(tmp_path / "m.parquet", tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path, patient\na.jpg,p\n", "too: write ' patient' as 'patient'"),
        ("Path,PATIENT\na.jpg,p\n", "write 'Path' as 'path', 'PATIENT' as 'patient'"),
        ("sep=;\npath;patient\na.jpg;p\n", "'sep=;', is for spreadsheets alone: delete it"),
        ("sep=,\npath,patient\na.jpg,p\n", "is for spreadsheets alone: delete it"),
        ("path,patient\na.jpg,p\n,q\n", r"row 3 \(patient 'q'\) has an empty 'path'"),
        ("path,patient\na.jpg,001\nb.jpg,001 \n", "'001' and '001 ', which differ in blanks"),
        ("path,patient\na.jpg,001\nb.jpg,\u00a0001\n", "differ in blanks"),
        ("path,patient\na.jpg,001\nb.jpg,0\u200b01\n", r"'001' and '0\\u200b01'"),
        ("path,patient\na.jpg,001\nb.jpg,0\ufe0f01\n", "letters that are not seen"),
        ("path,patient\na.jpg,a b\nb.jpg,a \u200b b\n", "letters that are not seen"),
        ("path,patient\na.jpg,001\nb.jpg,  \n", "a name of nothing that can be seen"),
        ("path,patient\na.jpg,\u200b\n", "a name of nothing that can be seen"),
        ("path,name\na.jpg,p\n", r"lacks the columns \['patient'\]"),
        ("", "is empty or no file"),
        ("\n", "lacks the columns"),
        ("path,patient\n", "holds no cells"),
        ("path,patient\n\n\n", "holds no cells"),
        ("path,patient\na.jpg,p\na.jpg,q\n", r"lists a\.jpg more than once"),
        ("path,patient\na/b.jpg,p\n./a//b.jpg,q\n", r"lists a/b\.jpg more than once"),
        ("path,patient\na.jpg,\n", r"row 2 \(path 'a\.jpg'\) has an empty 'patient'"),
        ("path,patient,path\na.jpg,p,b\n", "more than once"),
        ("path,patient,row\na.jpg,p,1\n", "'row'"),
        ("path,patient\na.jpg,p\nb.jpg,p,surplus\n", "row 3: 3 fields .b.jpg, p, surplus."),
        ("path,patient\na.jpg,p\nb.jpg\n", "row 3: 1 fields"),
        ("path,patient\na.jpg,p\0q\n", "a NUL byte in 'patient'"),
        (f"path,patient\na.jpg,{100_000 * 'Ä'}\n", "row 2 has a 'patient' of more than 131072"),
        ("path,patient\na/../b.jpg,p\nb.jpg,q\n", r"lists b\.jpg more than once"),
        ("path,patient\na\\b.jpg,p\na/b.jpg,q\n", r"lists a/b\.jpg more than once"),
        ("path,patient\ne\u0301.jpg,p\n\u00e9.jpg,q\n", "lists \u00e9.jpg more than once"),
        ("path,patient\na.jpg,e\u0301\nb.jpg,\u00e9\n", "the patient \u00e9 in two spellings"),
        ("path,patient\nD:\\P1\\a.jpg,p\n", "an absolute path of Windows"),
        ("path,patient\n\\\\nas\\P1\\a.jpg,p\n", "an absolute path of Windows"),
    ],
)
def test_faulty_csv_is_refused_by_name(tmp_path: Path, content: str, message: str) -> None:
    source = tmp_path / "m.csv"
    source.write_text(content)
    with pytest.raises(InputError, match=message):
        _freeze(source, tmp_path)


def test_text_of_parquet_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    binary = pa.array([b"M\xfcller.jpg"])
    text = pa.StringArray.from_buffers(1, binary.buffers()[1], binary.buffers()[2])
    pq.write_table(pa.table({"path": text, "patient": ["p"]}), tmp_path / "m.parquet")
    with pytest.raises(InputError, match=r"m\.parquet cannot be read as a manifest"):
        _freeze(tmp_path / "m.parquet", tmp_path)


def test_missing_empty_or_foreign_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        _freeze(tmp_path / "absent", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no cells"):
        _freeze(tmp_path / "empty", tmp_path)
    (tmp_path / "m.xlsx").write_bytes(b"x")
    with pytest.raises(InputError, match="neither a folder nor"):
        _freeze(tmp_path / "m.xlsx", tmp_path)
    (tmp_path / "m.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match="cannot be read as a manifest"):
        _freeze(tmp_path / "m.parquet", tmp_path)
