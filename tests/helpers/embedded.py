"""libbloodcell as another program has it: installed, and called by its C ABI alone."""

from __future__ import annotations

import ctypes
import fcntl
import os
import subprocess
from ctypes import (
    POINTER,
    Structure,
    byref,
    c_char_p,
    c_double,
    c_float,
    c_int32,
    c_int64,
    c_size_t,
)
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cmake
import ninja
import numpy as np
import onnxruntime

ROOT = Path(__file__).resolve().parents[2]
ONNXRUNTIME = next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
CMAKE = Path(cmake.CMAKE_BIN_DIR) / "cmake"
SANITIZED = ROOT / "build" / "ctest"
"""Where `make ctest`, which `make test` begins with, builds the library under sanitizers."""
SANITIZED_OPTIONS = ("-DBLOODCELL_SANITIZE=ON", "-DBLOODCELL_BUILD_TESTS=ON")


def run(*command: str | Path) -> str:
    """Output of a command that must succeed and warn of nothing."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert "warning" not in done.stdout.lower(), done.stdout
    return done.stdout


def configured(source: Path, build: Path, *options: str, target: str = "all") -> None:
    """Configure a CMake project, unless that was done, and build it."""
    program = f"-DCMAKE_MAKE_PROGRAM={Path(ninja.BIN_DIR) / 'ninja'}"
    if not (build / "CMakeCache.txt").exists():
        run(CMAKE, "-S", source, "-B", build, "-G", "Ninja", program, *options)
    run(CMAKE, "--build", build, "--target", target)


def installed(folder: Path, build: Path, *options: str) -> Path:
    """Build the library and install it below ``folder``, once for all processes of a session."""
    folder.mkdir(exist_ok=True)
    prefix = folder / "prefix"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not prefix.exists():
            switches = ("-DBLOODCELL_BUILD_EXTENSION=OFF", "-DBLOODCELL_BUILD_LIBRARY=ON")
            strict = "-DBLOODCELL_WARNINGS_AS_ERRORS=ON"
            configured(ROOT, build, *switches, strict, *options, target="bloodcell")
            run(CMAKE, "--install", build, "--prefix", prefix)
    return prefix


SURE = np.eye(1, 18, dtype=np.float32)
"""Probabilities of a cell that is of the first class, a band neutrophil, for sure."""


class Sized(Structure):
    """A struct that begins with its size."""

    def __init__(self, **members: Any) -> None:
        super().__init__(struct_size=ctypes.sizeof(self), **members)


class Options(Sized):
    _fields_ = [
        ("struct_size", c_size_t), ("onnxruntime", c_char_p), ("threads", c_int32),
        ("batch_size", c_int32), ("profile", c_char_p), ("blast_equivalents", c_char_p),
        ("interval_width", c_double),
    ]  # fmt: skip


class About(Sized):
    _fields_ = [
        ("struct_size", c_size_t), ("name", c_char_p), ("version", c_char_p), ("scheme", c_char_p),
        ("weights_sha256", c_char_p), ("calibrated_on", c_char_p),
        ("onnxruntime_version", c_char_p), ("input_px", c_int32), ("classes", c_int32),
        ("has_error_model", c_int32),
    ]  # fmt: skip


class Class(Sized):
    _fields_ = [
        ("struct_size", c_size_t), ("code", c_char_p), ("name", c_char_p), ("role", c_char_p),
        ("is_blast", c_int32), ("is_leukocyte", c_int32),
    ]  # fmt: skip


class Header(Sized):
    _fields_ = [
        ("struct_size", c_size_t), ("reason", c_int32), ("format", c_char_p), ("width", c_int32),
        ("height", c_int32),
    ]  # fmt: skip


class Report(Sized):
    _fields_ = [
        ("struct_size", c_size_t), ("cells", c_int64), ("scored", c_int64), ("rejected", c_int64),
        ("rejected_by_reason", c_int64 * 11), ("denominator", c_int64),
        ("blasts_counted", c_int64), ("unstained", c_int64), ("blast_percent_naive", c_double),
        ("blast_percent_naive_low", c_double), ("blast_percent_naive_high", c_double),
        ("adjustment", c_int32), ("sufficient", c_int32), ("blast_percent", c_double),
        ("blast_percent_low", c_double), ("blast_percent_high", c_double), ("bands", c_double * 4),
        ("erythroid_per_100", c_double), ("excluded_per_100", c_double),
        ("unidentified_per_100", c_double), ("unidentified", c_int64),
    ]  # fmt: skip


class Image(Structure):
    _fields_ = [
        ("pixels", ctypes.c_void_p), ("width", c_int32), ("height", c_int32), ("stride", c_size_t),
        ("row", c_int64),
    ]  # fmt: skip


class Cell(Structure):
    _fields_ = [
        ("row", c_int64), ("reason", c_int32), ("class_index", c_int32),
        ("blast_probability", c_float), ("stained", c_int32),
    ]  # fmt: skip


class Answer(Structure):
    _fields_ = [("row", c_int64), ("class_index", c_int32)]


class ReviewInput(Sized):
    _fields_ = [
        ("struct_size", c_size_t), ("adjustment", c_int32), ("cells", POINTER(Cell)),
        ("cell_count", c_size_t), ("drawn", POINTER(c_int64)), ("drawn_count", c_size_t),
        ("answers", POINTER(Answer)), ("answer_count", c_size_t),
    ]  # fmt: skip


class Reviewed(Sized):
    _fields_ = [
        ("struct_size", c_size_t), ("blast_percent", c_double), ("blast_percent_low", c_double),
        ("blast_percent_high", c_double), ("bands", c_double * 4), ("by_model", c_int32),
        ("cells_looked_at", c_int64),
    ]  # fmt: skip


class CallError(Exception):
    """A status other than 0, and the message."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status, self.message = status, message


class Library:
    """Calls by name; a status other than 0 is raised."""

    def __init__(self, prefix: Path) -> None:
        self.path = prefix / "lib" / "libbloodcell.so"
        self.c = ctypes.CDLL(str(self.path))
        for name in ("version", "status_text", "reason_text", "adjustment_text", "last_error"):
            getattr(self.c, f"bloodcell_{name}").restype = c_char_p

    def __call__(self, name: str, *arguments: Any) -> None:
        status = getattr(self.c, f"bloodcell_{name}")(*arguments)
        if status != 0:
            word = self.c.bloodcell_status_text(status).decode()
            raise CallError(word, self.c.bloodcell_last_error().decode())

    def text(self, name: str, number: int) -> str:
        return str(getattr(self.c, f"bloodcell_{name}_text")(number).decode())

    def open(self, folder: Path, **options: Any) -> EmbeddedModel:
        handle = ctypes.c_void_p()
        asked = Options(**({"onnxruntime": os.fsencode(ONNXRUNTIME)} | options))
        self("model_open", os.fsencode(folder), byref(asked), byref(handle))
        return EmbeddedModel(self, handle)


@dataclass
class EmbeddedModel:
    """An open model; arrays in, arrays out."""

    library: Library
    handle: ctypes.c_void_p

    @property
    def about(self) -> About:
        about = About()
        self.library("model_describe", self.handle, byref(about))
        return about

    @property
    def is_blast(self) -> np.ndarray:
        """Of each class, bool."""
        found = [Class() for _ in range(self.about.classes)]
        for place, one in enumerate(found):
            self.library("model_class", self.handle, c_int32(place), byref(one))
        return np.array([bool(one.is_blast) for one in found])

    def cells_called(
        self,
        rows: list[int],
        probabilities: np.ndarray,
        reasons: list[int] | None = None,
        stained: list[bool] | None = None,
    ) -> Any:
        """Cells as ``score`` would give them with these probabilities."""
        reasons, all_stained = reasons or [0] * len(rows), [True] * len(rows)
        called = np.where(np.array(reasons) == 0, probabilities.argmax(axis=1), -1).tolist()
        blast = probabilities[:, self.is_blast].sum(axis=1).tolist()
        return cells_of(rows, reasons, called, blast, stained or all_stained)

    def network_input(self, image: np.ndarray) -> np.ndarray:
        side = self.about.input_px
        pixels = np.empty((3, side, side), np.float32)
        given = image_of(image, 0)
        self.library(
            "network_input", self.handle, byref(given), pointer(pixels), c_size_t(pixels.size)
        )
        return pixels

    def score(self, images: list[np.ndarray], first_row: int = 0) -> tuple[Any, np.ndarray]:
        given = (Image * len(images))(
            *(image_of(image, first_row + i) for i, image in enumerate(images))
        )
        cells = (Cell * len(images))()
        probabilities = np.empty((len(images), self.about.classes), np.float32)
        self.library(
            "score", self.handle, given, c_size_t(len(images)), cells, pointer(probabilities)
        )
        return cells, probabilities

    def counts(self) -> EmbeddedCounts:
        handle = ctypes.c_void_p()
        self.library("counts_open", self.handle, byref(handle))
        return EmbeddedCounts(self, handle)

    def review(
        self, adjustment: int, cells: Any, drawn: list[int], answers: list[tuple[int, int]]
    ) -> Reviewed:
        given = ReviewInput(
            adjustment=adjustment,
            cells=cells,
            cell_count=len(cells),
            drawn=(c_int64 * len(drawn))(*drawn),
            drawn_count=len(drawn),
            answers=(Answer * len(answers))(*(Answer(*answer) for answer in answers)),
            answer_count=len(answers),
        )
        reviewed = Reviewed()
        self.library("review", self.handle, byref(given), byref(reviewed))
        return reviewed


@dataclass
class EmbeddedCounts:
    """Open counts of a model."""

    model: EmbeddedModel
    handle: ctypes.c_void_p

    def add(self, patient: str, cells: Any, probabilities: np.ndarray) -> None:
        self.model.library(
            "counts_add", self.handle, patient.encode(), cells, pointer(probabilities),
            c_size_t(len(cells)),
        )  # fmt: skip

    def report(self, patient: str, call: str = "finish") -> tuple[Report, list[int]]:
        report, classes = Report(), np.empty(self.model.about.classes, np.int64)
        self.model.library(
            f"counts_{call}", self.handle, patient.encode(), byref(report), pointer(classes),
            c_size_t(classes.size),
        )  # fmt: skip
        return report, classes.tolist()


def image_of(image: np.ndarray, row: int) -> Image:
    """A view of an array uint8 (H, W, 3), which must outlive it; rows may have a stride."""
    assert image.dtype == np.uint8
    assert image.strides[1:] == (3, 1)
    height, width, _ = image.shape
    return Image(image.ctypes.data, width, height, image.strides[0], row)


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    assert array.flags.c_contiguous
    return array.ctypes.data_as(ctypes.c_void_p)


def cells_of(
    rows: list[int], reasons: list[int], classes: list[int], blast: list[float], stained: list[bool]
) -> Any:
    """Cells as ``bloodcell_score`` would give them."""
    columns = zip(rows, reasons, classes, blast, map(int, stained), strict=True)
    return (Cell * len(rows))(*(Cell(*values) for values in columns))
