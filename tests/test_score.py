"""The main job on drawn cells: nothing lost, the same answer every way, broken images isolated."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

import bloodcell
from bloodcell import scoring
from bloodcell.errors import InputError, ModelError, RunError, Stopped

CELLS = 72


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five parts instead of one: 72 cells in parts of 16."""
    monkeypatch.setattr(scoring, "ROWS_PER_PART", 16)


@pytest.fixture(scope="module")
def run(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> bloodcell.Run:
    """A run that nothing disturbed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "ROWS_PER_PART", 16)
        return bloodcell.score(smears, tmp_path_factory.mktemp("runs") / "run")


def digests(folder: Path) -> dict[str, str]:
    files = [*sorted((folder / "cells").iterdir()), folder / "patients.parquet"]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_every_cell_is_there_once(run: bloodcell.Run) -> None:
    cells = run.cells()
    assert cells["row"].to_pylist() == list(range(CELLS))
    assert set(cells["status"].to_pylist()) == {"scored"}
    assert run.about["cells"] == run.about["scored"] == CELLS
    assert run.about["rejected"] == {}
    assert len(list((run.folder / "cells").iterdir())) == 5


def test_columns_are_those_of_the_contract(run: bloodcell.Run) -> None:
    cells = run.cells()
    assert cells.schema.names == [
        "row", "patient", "path", "status", "reason", "class", "blast_probability",
        "probabilities",
    ]  # fmt: skip
    assert cells.schema.field("blast_probability").type == pa.float32()
    assert cells.schema.field("probabilities").type == pa.list_(pa.float32(), 18)
    names = run.patients.schema.names
    assert names[:10] == [
        "patient", "cells", "scored", "rejected", "denominator", "blasts_counted",
        "blast_percent_naive", "blast_percent", "blast_percent_low", "blast_percent_high",
    ]  # fmt: skip
    assert next(name for name in names if name.startswith("n_")) == "n_band_neutrophils"
    assert names[-5:] == ["band_under_5", "band_5_9", "band_10_19", "band_20_up", "sufficient"]
    assert pyarrow.csv.read_csv(run.folder / "patients.csv").schema.names == names


def test_patients_are_what_their_cells_add_up_to(run: bloodcell.Run) -> None:
    """The accumulator against a slow and obvious count."""
    from bloodcell.scheme import load_scheme

    scheme = load_scheme("jhu18")
    leukocytes = {code for code, yes in zip(scheme.codes, scheme.is_leukocyte, strict=True) if yes}
    cells = run.cells().to_pylist()
    for patient in run.patients.to_pylist():
        own = [cell["class"] for cell in cells if cell["patient"] == patient["patient"]]
        assert patient["cells"] == patient["scored"] == len(own)
        assert patient["denominator"] == sum(code in leukocytes for code in own)
        assert patient["blasts_counted"] == own.count("blast_no_lineage_spec")
        assert patient["n_lymphocyte"] == own.count("lymphocyte")
        share = 100 * patient["blasts_counted"] / patient["denominator"]
        assert patient["blast_percent_naive"] == pytest.approx(share)
        assert patient["blast_percent"] is None
        assert patient["sufficient"] is None


def test_class_and_blast_probability_follow_from_the_probabilities(run: bloodcell.Run) -> None:
    from bloodcell.scheme import load_scheme

    codes = load_scheme("jhu18").codes
    cells = run.cells()
    probabilities = np.array(cells["probabilities"].to_pylist(), np.float32)
    assert cells["class"].to_pylist() == [codes[i] for i in probabilities.argmax(axis=1)]
    blast = probabilities[:, codes.index("blast_no_lineage_spec")]
    assert np.array_equal(cells["blast_probability"].to_numpy(), blast)


@pytest.mark.parametrize(("batch_size", "threads"), [(1, 1), (7, 3), (500, 2)])
def test_batch_size_and_threads_change_no_byte(
    smears: Path, run: bloodcell.Run, tmp_path: Path, batch_size: int, threads: int
) -> None:
    bloodcell.score(smears, tmp_path / "run", batch_size=batch_size, threads=threads)
    assert digests(tmp_path / "run") == digests(run.folder)


def test_a_manifest_gives_what_the_folder_gives(
    smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    frozen = pq.read_table(run.folder / "manifest.parquet").drop(["row"])
    absolute = [str(smears / path) for path in frozen["path"].to_pylist()]
    pq.write_table(frozen.set_column(0, "path", [absolute]), tmp_path / "m.parquet")
    again = bloodcell.score(tmp_path / "m.parquet", tmp_path / "run")
    assert again.cells(["row", "patient", "probabilities"]) == run.cells(
        ["row", "patient", "probabilities"]
    )


def test_a_finished_run_is_taken_up_without_scoring_again(
    smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    before = digests(tmp_path / "run")
    again = bloodcell.score(smears, tmp_path / "run")
    # No part was written, so the figures are still those of the run that scored.
    assert again.about["session"] == run.about["session"]
    assert digests(tmp_path / "run") == before


def test_a_stopped_run_continues_to_the_same_bytes(
    smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    stop = threading.Event()

    def stop_in_the_third_part(done: int, _cells: int) -> None:
        if done > 40:
            stop.set()

    with pytest.raises(Stopped, match="32 of 72 cells are finished and kept"):
        bloodcell.score(
            smears, tmp_path / "run", batch_size=5, progress=stop_in_the_third_part, stop=stop
        )
    assert bloodcell_state(tmp_path / "run") == "stopped"
    assert len(list((tmp_path / "run" / "cells").iterdir())) == 2
    with pytest.raises(RunError, match="is not done"):
        bloodcell.open_run(tmp_path / "run")
    again = bloodcell.score(smears, tmp_path / "run")
    assert again.about["session"]["cells"] == CELLS - 32
    assert digests(tmp_path / "run") == digests(run.folder)


def bloodcell_state(folder: Path) -> str:
    from bloodcell.store import RunStore

    return str(RunStore(folder).read_about()["state"])


def test_a_killed_run_continues_to_the_same_bytes(
    smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    program = f"""
import os, signal
from bloodcell import scoring
scoring.ROWS_PER_PART = 16
def kill(done, cells):
    if done > 40:
        os.kill(os.getpid(), signal.SIGKILL)
scoring.score({str(smears)!r}, {str(tmp_path / "run")!r}, batch_size=5, progress=kill)
"""
    killed = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    bloodcell.score(smears, tmp_path / "run")
    assert digests(tmp_path / "run") == digests(run.folder)


def test_broken_images_cost_only_themselves(
    smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    shutil.copytree(smears, tmp_path / "smears")
    paths = run.cells(["path"])["path"].to_pylist()
    first_jpeg = next(i for i, path in enumerate(paths) if path.endswith(".jpg"))
    whole = (smears / paths[first_jpeg]).read_bytes()
    broken = {
        first_jpeg: (whole[: len(whole) // 2], "truncated"),
        20: (b"", "empty"),
        21: (b"this is a text, not an image", "not_an_image"),
        22: (_bmp_header(70_000, 70_000), "too_large"),
        23: (_bmp_header(4, 4) + bytes(64), "too_small"),
        50: (_png_with_damaged_data(), "corrupt"),
    }
    for row, (content, _) in broken.items():
        (tmp_path / "smears" / paths[row]).write_bytes(content)
    (tmp_path / "smears" / paths[60]).unlink()
    (tmp_path / "smears" / paths[60]).symlink_to("nowhere")
    expected = {row: reason for row, (_, reason) in broken.items()} | {60: "missing"}

    again = bloodcell.score(tmp_path / "smears", tmp_path / "run")
    cells, clean = again.cells().to_pylist(), run.cells().to_pylist()
    found = {c["row"]: c["reason"] for c in cells if c["status"] == "rejected"}
    assert found == expected
    assert again.about["scored"] == CELLS - 7
    assert sum(again.about["rejected"].values()) == 7
    for cell, good in zip(cells, clean, strict=True):
        if cell["row"] in expected:
            assert cell["class"] is cell["blast_probability"] is None
            assert cell["probabilities"] == [None] * 18
        else:
            assert cell == good


def _bmp_header(width: int, height: int) -> bytes:
    size = (54).to_bytes(4, "little")
    sides = width.to_bytes(4, "little") + height.to_bytes(4, "little")
    return (
        b"BM"
        + size
        + bytes(4)
        + size
        + (40).to_bytes(4, "little")
        + sides
        + (b"\x01\x00\x18\x00" + bytes(24))
    )


def _png_with_damaged_data() -> bytes:
    """A whole PNG whose compressed pixels are not a zlib stream: only the decoder can tell."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 40, 40, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", b"not zlib at all")
        + chunk(b"IEND", b"")
    )


def test_only_broken_images_still_make_a_whole_run(tmp_path: Path) -> None:
    (tmp_path / "in" / "p").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "in" / "p" / name).write_bytes(b"text")
    run = bloodcell.score(tmp_path / "in", tmp_path / "run")
    assert run.reject_rate == 1.0
    assert bloodcell.Run(run.folder, {"cells": 100, "scored": 99}).reject_rate == 0.01
    (patient,) = run.patients.to_pylist()
    assert (patient["cells"], patient["rejected"], patient["denominator"]) == (2, 2, 0)
    assert patient["blast_percent_naive"] is None


def test_another_job_is_refused(smears: Path, run: bloodcell.Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    same_names = tmp_path / "same_names"
    shutil.copytree(smears, same_names)
    with pytest.raises(RunError, match="another job: its input is"):
        bloodcell.score(same_names, tmp_path / "run")
    other = _copy_of_model(tmp_path)
    card = other / "card.toml"
    card.write_text(card.read_text().replace('version = "', 'version = "0'))
    with pytest.raises(RunError, match="another job: its model_version"):
        bloodcell.score(smears, tmp_path / "run", model=other)
    with pytest.raises(RunError, match="already holds a run"):
        bloodcell.score(smears, tmp_path / "run", resume=False)


def test_an_input_that_has_changed_is_refused(smears: Path, tmp_path: Path) -> None:
    shutil.copytree(smears, tmp_path / "in")
    bloodcell.score(tmp_path / "in", tmp_path / "run")
    shutil.rmtree(tmp_path / "in" / "phantom-001")
    with pytest.raises(RunError, match="no longer lists the cells"):
        bloodcell.score(tmp_path / "in", tmp_path / "run")
    assert not (tmp_path / "run" / "manifest.parquet.new").exists()
    (tmp_path / "run" / "manifest.parquet").write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"manifest\.parquet is missing or not the file"):
        bloodcell.score(tmp_path / "in", tmp_path / "run")


def test_parts_without_their_run_json_are_not_adopted(
    smears: Path, run: bloodcell.Run, tmp_path: Path
) -> None:
    shutil.copytree(run.folder / "cells", tmp_path / "run" / "cells")
    with pytest.raises(RunError, match=r"cells/part-00000\.parquet"):
        bloodcell.score(smears, tmp_path / "run")


def test_a_run_json_of_another_tool_is_refused(smears: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"a": 1}')
    with pytest.raises(RunError, match="is not of bloodcell"):
        bloodcell.score(smears, tmp_path)
    (tmp_path / "run.json").write_text("")
    with pytest.raises(RunError, match="is damaged"):
        bloodcell.score(smears, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_missing_parts_are_noticed_when_cells_are_read(run: bloodcell.Run, tmp_path: Path) -> None:
    # The name looks like a Hive partition, which must not become a column.
    folder = tmp_path / "patient=3"
    shutil.copytree(run.folder, folder)
    assert bloodcell.open_run(folder).cells().equals(run.cells())
    (folder / "cells" / "part-00001.parquet").unlink()
    with pytest.raises(RunError, match="holds 56 of its 72 cells"):
        bloodcell.open_run(folder).cells()


def test_logits_that_are_no_numbers_stop_the_run(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bloodcell.engine.backends.onnxruntime import OnnxRuntimeBackend

    real = OnnxRuntimeBackend.infer

    def overflow(
        self: OnnxRuntimeBackend, pixels: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        logits = real(self, pixels)
        logits[-1, 3] = np.nan
        return logits

    monkeypatch.setattr(OnnxRuntimeBackend, "infer", overflow)
    with pytest.raises(bloodcell.EngineError, match=r"no numbers for rows \[15\]"):
        bloodcell.score(smears, tmp_path / "run")
    assert list((tmp_path / "run" / "cells").iterdir()) == []


def _copy_of_model(tmp_path: Path) -> Path:
    from bloodcell.model import load_model

    shutil.copytree(load_model().folder, tmp_path / "model")
    return tmp_path / "model"


def test_a_folder_with_foreign_files_is_left_alone(smears: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match=r"not empty and holds no run \(thesis.txt"):
        bloodcell.score(smears, tmp_path)
    with pytest.raises(InputError, match="lies inside the input"):
        bloodcell.score(tmp_path, tmp_path / "run")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "manifest.parquet").write_bytes(b"a user's own")
    with pytest.raises(InputError, match="lies inside the run folder"):
        bloodcell.score(tmp_path / "m" / "manifest.parquet", tmp_path / "m")


def test_a_second_scorer_is_kept_out(smears: Path, tmp_path: Path) -> None:
    from bloodcell.store import RunStore

    with (
        RunStore(tmp_path / "run").locked(),
        pytest.raises(RunError, match="another process"),
    ):
        bloodcell.score(smears, tmp_path / "run")


def test_a_damaged_part_is_named(smears: Path, run: bloodcell.Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    (tmp_path / "run" / "cells" / "part-00001.parquet").write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"part-00001\.parquet cannot be read"):
        bloodcell.score(smears, tmp_path / "run")


def test_a_part_with_other_rows_is_named(smears: Path, run: bloodcell.Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    cells = tmp_path / "run" / "cells"
    shutil.copy(cells / "part-00004.parquet", cells / "part-00001.parquet")
    with pytest.raises(RunError, match=r"part-00001\.parquet does not hold the rows"):
        bloodcell.score(smears, tmp_path / "run")


def test_models_that_differ_from_their_card_are_refused(smears: Path, tmp_path: Path) -> None:
    from bloodcell.model import load_model

    with pytest.raises(ModelError, match="unknown model 'absent'"):
        bloodcell.score(smears, tmp_path / "run", model="absent")
    model = _copy_of_model(tmp_path)
    with (model / "model.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match=r"model\.onnx is not the file its card describes"):
        bloodcell.score(smears, tmp_path / "run", model=model)
    shutil.copy(load_model().folder / "model.onnx", model)
    card = (model / "card.toml").read_text()
    for entry, wrong, message in [
        ('interpolation = "linear"', 'interpolation = "nearest"', "one of"),
        ("region = 0.7", "region = 5.0", "at most 1"),
        ("antialias = true", 'antialias = "false"', "not true or false"),
        ("input_px = 112", "input_px = 128", "its card says"),
        ("0.183,", "0.0,", "a number above 0"),
    ]:
        assert entry in card
        (model / "card.toml").write_text(card.replace(entry, wrong))
        with pytest.raises(ModelError, match=message):
            bloodcell.score(smears, tmp_path / "run", model=model)
    (model / "card.toml").write_text("name = 'x'\n")
    with pytest.raises(ModelError, match=r"card\.toml lacks the entry 'scheme'"):
        bloodcell.score(smears, tmp_path / "run", model=model)
    assert not (tmp_path / "run").exists()


def test_an_explicit_backend_never_falls_back(smears: Path, tmp_path: Path) -> None:
    with pytest.raises(bloodcell.EngineError, match="'tensorrt' is not part of this version"):
        bloodcell.score(smears, tmp_path / "run", backend="tensorrt")


def test_a_full_disk_keeps_what_is_finished(
    smears: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pq.write_table

    def full(table: pa.Table, where: Path) -> None:
        if "part-00002" in where.name:
            raise OSError(28, os.strerror(28))
        real(table, where)

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(RunError, match=r"part-00002\.parquet: No space left on device"):
        bloodcell.score(smears, tmp_path / "run")
    assert bloodcell_state(tmp_path / "run") == "failed"
    assert sorted(path.name for path in (tmp_path / "run" / "cells").iterdir()) == [
        "part-00000.parquet",
        "part-00001.parquet",
    ]
