"""The main job on drawn cells: nothing lost, right counts, the same answer every way."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from helpers.drawn_runs import CELLS, digests

import bloodcell
from bloodcell import _core

pytestmark = pytest.mark.usefixtures("small_parts")


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
        "probabilities", "digest", "stained",
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
        if patient["adjustment"] == "adjusted":
            width = patient["blast_percent_high"] - patient["blast_percent_low"]
            assert patient["sufficient"] == (width <= 10)
        else:
            assert patient["blast_percent"] is patient["sufficient"] is None


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
    reasons = {c["row"]: c["reason"] for c in cells if c["status"] == "rejected"}
    assert reasons == expected
    assert again.about["scored"] == CELLS - 7
    assert sum(again.about["rejected"].values()) == 7
    for cell, good in zip(cells, clean, strict=True):
        if cell["row"] in expected:
            assert cell["class"] is cell["blast_probability"] is None
            assert cell["probabilities"] == [None] * 18
            content = broken.get(cell["row"], (b"", ""))[0]
            assert cell["digest"] == (_core.digest(content) if content else None)
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
    counts = replace(run.counts, cells=100, scored=99)
    assert replace(run, record=replace(run.record, counts=counts)).reject_rate == 0.01
    (patient,) = run.patients.to_pylist()
    assert (patient["cells"], patient["rejected"], patient["denominator"]) == (2, 2, 0)
    assert patient["blast_percent_naive"] is None
