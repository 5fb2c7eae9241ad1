"""What a run logs, also with -v, names neither patients nor images."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.marked_images import mark_images, obey_marks
from helpers.tiny_model import write_tiny_model

NAMES = ("Fernandez", "Okonkwo", "Lindqvist")


def test_names_of_patients_and_images_are_in_no_line_of_the_log(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what there is to say: files left out, an empty folder, broken and fatal images."""
    source = tmp_path / "in"
    for name, folder in zip(NAMES, sorted(smears.glob("phantom-*")), strict=True):
        for number, image in enumerate(sorted(folder.iterdir())[:8]):
            copy = source / name / f"{name}_{number}{image.suffix}"
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(image, copy)
    mark_images(source, {3: "exit"})
    obey_marks(monkeypatch, tmp_path / "site")
    (source / NAMES[0] / f"{NAMES[0]}_broken.jpg").write_bytes(b"\xff\xd8\xff")
    (source / NAMES[1] / "@eaDir").mkdir()
    (source / NAMES[1] / "@eaDir" / f"{NAMES[1]}.jpg").write_bytes(b"a thumbnail")
    (source / "Papadopoulos").mkdir()
    (source / "Wojcik").symlink_to(tmp_path / "away" / "Wojcik")
    model = write_tiny_model(tmp_path / "model", "pbc8")
    command = Path(sys.executable).with_name("bloodcell")
    words = [command, "score", source, "--out", tmp_path / "run", "--model", model, "-v"]
    done = subprocess.run(
        [*words, "--max-reject-rate", "1", "--backend", "onnxruntime"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for expected in ("1 NAS", "1 folders", "1 links", "crashed_decoder", "25 cells"):
        assert expected in done.stderr
    for name in (*NAMES, "Papadopoulos", "Wojcik"):
        assert name not in done.stderr
    assert NAMES[0] in done.stdout, "the table is the user's"
