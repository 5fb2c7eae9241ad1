"""The program of the page: labels of folders that are called as their classes."""

import csv
import subprocess
import sys
from pathlib import Path

from helpers.pages import code, quoted, table

from bloodcell.fetching import read_data_set
from bloodcell.scheme import load_scheme


def test_the_program_writes_labels_of_folders(tmp_path: Path) -> None:
    (program,) = code("public-data.md", "python")
    images = tmp_path / "images"
    for name in ("BAS/a.tiff", "EBO/0001/a.tiff", "EBO/b.tif", "EBO/notes.txt"):
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        (images / name).touch()
    (tmp_path / "labels.py").write_text(program)
    labels = tmp_path / "labels.csv"
    subprocess.run([sys.executable, tmp_path / "labels.py", images, labels], check=True)
    with labels.open(newline="") as file:
        rows = list(csv.DictReader(file))
    classes = [("BAS/a.tiff", "BAS"), ("EBO/0001/a.tiff", "EBO"), ("EBO/b.tif", "EBO")]
    assert [(row["path"], row["class"]) for row in rows] == classes
    assert len({row["patient"] for row in rows}) == 3
    assert {int(row["fold"]) for row in rows} <= set(range(5))


def test_the_page_names_the_sets_and_their_schemes() -> None:
    for name, _, scheme, about, how in table("public-data.md"):
        (file,) = read_data_set(quoted(name)[0]).files
        assert about == f"{file.about_gb:g} GB"
        assert (file.address is None) == how.startswith("by hand")
        load_scheme(quoted(scheme)[0])
