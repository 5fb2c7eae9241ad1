"""What a program may do wrong: a status and a message, and nothing has changed."""

import ctypes
import hashlib
import os
from collections.abc import Callable
from ctypes import byref, c_size_t
from pathlib import Path

import numpy as np
import pytest
from helpers.embedded import (
    SURE,
    CallError,
    Cell,
    EmbeddedModel,
    Header,
    Image,
    Library,
    Options,
    Report,
    cells_of,
    image_of,
    pointer,
)
from helpers.pictures import PICTURES
from helpers.tiny_model import write_tiny_model
from helpers.tiny_onnx import tiny_onnx
from onnx import TensorProto, helper, load_model_from_string


def card_with(old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / "card.toml").read_text()
        assert old in text
        (folder / "card.toml").write_text(text.replace(old, new, 1))

    return change


def weights_of(onnx: bytes) -> Callable[[Path], None]:
    """Other weights that the card vouches for."""

    def change(folder: Path) -> None:
        old = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
        (folder / "model.onnx").write_bytes(onnx)
        card_with(old, hashlib.sha256(onnx).hexdigest())(folder)

    return change


def with_second_input(onnx: bytes) -> bytes:
    model = load_model_from_string(onnx)
    model.graph.input.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, ["n", 1]))
    return bytes(model.SerializeToString())


def replaced_by_a_folder(folder: Path) -> None:
    (folder / "card.toml").unlink()
    (folder / "card.toml").mkdir()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "card.toml").unlink(), "card.toml cannot be read"),
        (lambda folder: (folder / "model.onnx").unlink(), "model.onnx cannot be read"),
        (replaced_by_a_folder, "card.toml is no file"),
        (lambda folder: (folder / "model.onnx").write_bytes(b"x"), "is not the file its card"),
        (card_with("name =", "name"), "is not valid TOML"),
        (card_with('scheme = "jhu18"', 'scheme = "none"'), "scheme 'none'"),
        (card_with('scheme = "jhu18"', 'scheme = "lmu15"'), "classes are not those of scheme"),
        (card_with("version =", 'label_map_sha256 = "00"\nversion ='), "another label map"),
        (card_with("antialias = true", "antialias = 1"), "preprocessing.antialias"),
        (card_with('"linear"', '"cubic"'), "'cubic' is not implemented in this library"),
        (card_with("input_px = 8", "input_px = 9"), "takes [N, 3, 8, 8]"),
        (weights_of(b"no network"), "cannot be loaded as ONNX"),
        (weights_of(tiny_onnx(8, 3)), "gives [N, 3]; its card says"),
        (weights_of(with_second_input(tiny_onnx(8, 18))), "has 2 inputs: one, of the pixels"),
    ],
)
def test_a_model_folder_at_odds_with_itself_is_refused(
    library: Library, tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    folder = write_tiny_model(tmp_path / "m", "jhu18")
    change(folder)
    with pytest.raises(CallError, match="bad model") as refused:
        library.open(folder)
    assert message in refused.value.message
    assert str(folder) in refused.value.message


@pytest.mark.parametrize(
    ("onnxruntime", "message"),
    [("/nowhere/libonnxruntime.so", "cannot be loaded"), ("libm.so.6", "is not ONNX Runtime")],
)
def test_a_missing_onnx_runtime_is_named(
    library: Library, tmp_path: Path, onnxruntime: str, message: str
) -> None:
    folder = write_tiny_model(tmp_path / "m", "jhu18")
    with pytest.raises(CallError, match="no ONNX Runtime") as refused:
        library.open(folder, onnxruntime=os.fsencode(onnxruntime))
    assert message in refused.value.message


@pytest.mark.parametrize(
    "options",
    [{"profile": b"urine"}, {"blast_equivalents": b"all"}, {"threads": -1}, {"batch_size": 5000},
     {"onnxruntime": b""}, {"interval_width": -1.0}, {"interval_width": float("nan")},
     {"blast_equivalents": b"apl"}],
)  # fmt: skip
def test_options_that_cannot_be_are_refused(
    library: Library, tmp_path: Path, options: dict[str, object]
) -> None:
    folder = write_tiny_model(tmp_path / "m", "pbc8")
    with pytest.raises(CallError, match="invalid argument"):
        library.open(folder, **options)


def test_closed_handles_are_noticed(library: Library, tmp_path: Path) -> None:
    model = library.open(write_tiny_model(tmp_path / "m", "jhu18"))
    counts, cells = model.counts(), cells_of([1], [0], [0], [0.0], [True])
    probabilities = SURE
    library("model_close", model.handle)
    counts.add("p", cells, probabilities)  # counts that were begun go on
    library("counts_close", counts.handle)
    for call in (
        lambda: library("model_close", model.handle),
        lambda: library("counts_close", counts.handle),
        lambda: library("counts_close", model.handle),
        lambda: model.about,
        model.counts,
        lambda: counts.add("p", cells, probabilities),
        lambda: counts.report("p"),
        lambda: library("score", model.handle, None, c_size_t(0), None, None),
    ):
        with pytest.raises(CallError, match="closed handle"):
            call()


def test_images_that_cannot_be_are_named(tiny: EmbeddedModel) -> None:
    good = np.zeros((20, 30, 3), np.uint8)
    wrong = {
        "pixels is null": Image(None, 30, 20, 90, 0),
        "is 0 x 20 pixels": Image(good.ctypes.data, 0, 20, 90, 0),
        "is 30 x -1 pixels": Image(good.ctypes.data, 30, -1, 90, 0),
        "stride is 89, 90": Image(good.ctypes.data, 30, 20, 89, 0),
        "row is negative": Image(good.ctypes.data, 30, 20, 90, -1),
    }
    cells = (Cell * 2)()
    for message, image in wrong.items():
        images = (Image * 2)(image_of(good, 0), image)
        with pytest.raises(CallError, match="invalid argument") as refused:
            tiny.library("score", tiny.handle, images, c_size_t(2), cells, None)
        assert refused.value.message.startswith("images[1]")
        assert message in refused.value.message
    assert bytes(cells) == bytes(2 * ctypes.sizeof(Cell))


def test_the_network_s_input_is_of_no_larger_image_than_can_be_scored(tiny: EmbeddedModel) -> None:
    pixels, image = np.zeros(192, np.float32), image_of(np.zeros((1, 4096, 3), np.uint8), 0)
    arguments = tiny.handle, byref(image), pointer(pixels), c_size_t(192)
    tiny.library("network_input", *arguments)
    image.width = 4097
    image.stride = 3 * 4097
    with pytest.raises(CallError, match="invalid argument: image has a side of 4097 pixels"):
        tiny.library("network_input", *arguments)


def test_buffers_too_small_say_how_large(tiny: EmbeddedModel) -> None:
    counts, cells = tiny.counts(), cells_of([1], [0], [0], [0.0], [True])
    counts.add("p", cells, SURE)
    report, few = Report(), np.zeros(17, np.int64)
    with pytest.raises(CallError, match=r"buffer too small: .*17, there are 18"):
        tiny.library(
            "counts_finish", counts.handle, b"p", byref(report), pointer(few), c_size_t(17)
        )
    assert report.cells == 0
    assert counts.report("p")[0].cells == 1  # it was not finished
    pixels = np.zeros(191, np.float32)
    image = image_of(np.zeros((20, 30, 3), np.uint8), 0)
    with pytest.raises(CallError, match=r"buffer too small: .*191, there are 192"):
        tiny.library("network_input", tiny.handle, byref(image), pointer(pixels), c_size_t(191))


@pytest.mark.parametrize("size", [0, 8, 255, 1 << 20])
def test_a_struct_of_no_version_is_refused(tiny: EmbeddedModel, size: int) -> None:
    counts, report = tiny.counts(), Report()
    counts.add("p", cells_of([1], [0], [0], [0.0], [True]), SURE)
    report.struct_size = size
    with pytest.raises(CallError, match=r"report\.struct_size is"):
        tiny.library("counts_finish", counts.handle, b"p", byref(report), None, c_size_t(0))


def test_a_struct_of_a_later_version_is_filled_as_far_as_it_is_known(
    tiny: EmbeddedModel,
) -> None:
    class Later(ctypes.Structure):
        _fields_ = [("known", Report), ("later", ctypes.c_int64)]

    counts, later = tiny.counts(), Later(later=7)
    later.known.struct_size = ctypes.sizeof(Later)
    counts.add("p", cells_of([1], [0], [0], [0.0], [True]), SURE)
    tiny.library("counts_finish", counts.handle, b"p", byref(later), None, c_size_t(0))
    assert (later.known.cells, later.later) == (1, 7)
    assert later.known.struct_size == ctypes.sizeof(Later)


def test_a_struct_of_the_first_version_is_filled_no_further(tiny: EmbeddedModel) -> None:
    """Its last member was ``unidentified_per_100``; what came since belongs to the program."""
    counts, report = tiny.counts(), Report(unidentified=7)
    report.struct_size = Report.unidentified.offset
    counts.add("p", cells_of([1], [0], [0], [0.0], [True]), SURE)
    tiny.library("counts_finish", counts.handle, b"p", byref(report), None, c_size_t(0))
    assert (report.cells, report.unidentified) == (1, 7)


def test_null_pointers_are_named(tiny: EmbeddedModel) -> None:
    library, counts, nothing = tiny.library, tiny.counts(), c_size_t(1)
    for name, arguments in {
        "images is null": ("score", tiny.handle, None, nothing, None, None),
        "about is null": ("model_describe", tiny.handle, None),
        "patient is null": ("counts_reject", counts.handle, None, 1, ctypes.c_int64(1)),
        "patient is empty": ("counts_reject", counts.handle, b"", 1, ctypes.c_int64(1)),
        "cells is null": ("counts_add", counts.handle, b"p", None, None, nothing),
        "report is null": ("counts_finish", counts.handle, b"p", None, None, nothing),
        "counts is null": ("counts_open", tiny.handle, None),
        "folder is null": ("model_open", None, byref(Options()), byref(ctypes.c_void_p())),
        "input is null": ("review", tiny.handle, None, None),
        "image is null": ("network_input", tiny.handle, None, None, nothing),
        "bytes is null": ("gate", None, nothing, byref(Header())),
    }.items():
        with pytest.raises(CallError, match=f"invalid argument: {name}"):
            library(*arguments)


def test_the_gate_is_that_of_every_other_way_in(library: Library) -> None:
    from bloodcell._core import REASONS, gate

    seen = set()
    for picture in PICTURES.values():
        for data in (picture.data, picture.data[: len(picture.data) // 2], b"no image"):
            header = Header()
            library("gate", data, c_size_t(len(data)), byref(header))
            offsets = np.array([0, len(data)], np.int64)
            expected = gate(np.frombuffer(data, np.uint8), offsets)[0]
            assert header.reason == expected
            seen.add((REASONS[expected], header.format))
    assert {("", b"jpeg"), ("", b"tiff"), ("", b"png"), ("", b"bmp")} <= seen
    assert len({reason for reason, _ in seen}) > 3


def test_the_log_tells_which_onnx_runtime_was_loaded(library: Library, tmp_path: Path) -> None:
    lines: list[tuple[int, str]] = []
    callback = ctypes.CFUNCTYPE(None, ctypes.c_int32, ctypes.c_char_p, ctypes.c_void_p)(
        lambda level, message, _: lines.append((level, message.decode()))
    )
    library("set_log", callback, None)
    try:
        version = library.open(write_tiny_model(tmp_path / "m", "jhu18")).about.onnxruntime_version
    finally:
        library("set_log", None, None)
    assert lines[0][0] == 0
    assert lines[0][1].startswith(f"ONNX Runtime {version.decode()} of /")
