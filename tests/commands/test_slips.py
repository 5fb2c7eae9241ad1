"""What is given wrong is answered at once: before anything heavy is loaded."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.command_lines import HEAVY, packages_loaded

import bloodcell
from bloodcell.errors import InputError
from bloodcell.input.first_look import check_source
from bloodcell.paths import check_answers, check_labels


@pytest.mark.parametrize(
    "words",
    [
        ("score", "/no/such", "--out", "run"),
        ("score", "/tmp", "--out", "/dev/null"),
        ("score", "/tmp", "--out", "/var/run", "--model", "absent"),
        ("score", "/tmp", "--out", "/tmp/run"),
        ("evaluate", "/no/such", "--labels", "labels.csv"),
        ("calibrate", "/no/such", "--labels", "labels.csv", "--out", "model"),
        ("report", "/no/such"),
        ("train", "/no/such", "--labels", "labels.csv", "--out", "model"),
        ("build", "absent"),
    ],
)
def test_a_slip_in_a_path_is_answered_before_anything_heavy_is_loaded(
    words: tuple[str, ...],
) -> None:
    assert HEAVY.isdisjoint(packages_loaded("bloodcell.cli", *words, exit_status=1))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cells.csv", b""),
        ("cells.csv", b"path,patient\n"),
        ("cells.csv", b"path,subject\na.jpg,1\n"),
        ("cells.csv", b"path,patient,row\na.jpg,1,1\n"),
        ("cells.csv", b"\xff\x00\x9a"),
        ("cells.parquet", b""),
        ("cells.tar", b""),
        ("cells.tar.gz", b"x"),
        ("cells.txt", b"path,patient\na.jpg,1\n"),
        ("empty/beside", None),
        ("beside/cell.jpg", b"an image beside a folder"),
    ],
)
def test_a_slip_in_the_input_is_answered_before_anything_heavy_is_loaded(
    name: str, content: bytes | None, tmp_path: Path
) -> None:
    path = tmp_path / "in" / name
    path.parent.mkdir(parents=True)
    if content is not None:
        path.write_bytes(content)
    if name.startswith("beside"):
        (path.parent / "patient").mkdir()
    given = path if path.suffix and path.suffix != ".jpg" else path.parent
    words = ["score", str(given), "--out", str(tmp_path / "run")]
    assert HEAVY.isdisjoint(packages_loaded("bloodcell.cli", *words, exit_status=1))


@pytest.mark.parametrize("name", ["nobody", "nothing"])
def test_a_parquet_table_that_is_no_manifest_is_answered_before_a_network_is_loaded(
    name: str, tmp_path: Path
) -> None:
    paths = pa.array([] if name == "nothing" else ["a.jpg"], pa.string())
    patient = "patient" if name == "nothing" else "subject"
    pq.write_table(pa.table({"path": paths, patient: paths}), tmp_path / "cells.parquet")
    words = ["score", str(tmp_path / "cells.parquet"), "--out", str(tmp_path / "run")]
    loaded = packages_loaded("bloodcell.cli", *words, exit_status=1)
    assert loaded.isdisjoint(HEAVY - {"numpy", "pyarrow"})


def test_a_parquet_table_of_which_arrow_says_nothing_of_its_own_is_named(tmp_path: Path) -> None:
    # The first byte of the footer: Thrift's words for it are no ArrowException.
    path = tmp_path / "cells.parquet"
    pq.write_table(pa.table({"path": ["a.jpg"], "patient": ["P"]}), path)
    content = bytearray(path.read_bytes())
    content[-8 - int.from_bytes(content[-8:-4], "little")] = 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"cells\.parquet cannot be read as a manifest"):
        check_source(path)


@pytest.mark.parametrize(
    "changed", [("--profile", "marrow"), ("--no-resume",), ("--interval-width", "9")]
)
def test_another_run_in_the_folder_is_answered_before_anything_heavy_is_loaded(
    changed: tuple[str, ...], run: bloodcell.Run, smears: Path
) -> None:
    words = ["score", str(smears), "--out", str(run.folder), *changed]
    assert HEAVY.isdisjoint(packages_loaded("bloodcell.cli", *words, exit_status=1))
    words = ["score", str(smears / "phantom-000"), "--out", str(run.folder)]
    assert HEAVY.isdisjoint(packages_loaded("bloodcell.cli", *words, exit_status=1))


def test_labels_and_answers_that_are_no_file_are_told_from_such_as_are_not_there(
    tmp_path: Path,
) -> None:
    for check in (check_labels, check_answers):
        with pytest.raises(InputError, match="it is a folder"):
            check(tmp_path)
        with pytest.raises(InputError, match="a pipe or device"):
            check(Path("/dev/null"))
        with pytest.raises(InputError, match="there is no such file"):
            check(tmp_path / "absent.csv")
