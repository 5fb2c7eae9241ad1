"""The model that scores: images in, what is known of each cell out."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from bloodcell._core import REASONS
from bloodcell.live.cells import Status
from bloodcell.server.limits import Admission
from bloodcell.server.messages import OutputKind, Parameters, Tensor, TensorKind
from bloodcell.server.metrics import Metrics
from bloodcell.server.patients import OpenPatients
from bloodcell.server.refusals import invalid
from bloodcell.server.tensors import (
    longest_of,
    of_numbers,
    of_strings,
    pixels_of,
    size_of,
    strings_of,
)

if TYPE_CHECKING:
    from bloodcell.live import CellResult, Engine

_ENCODED = TensorKind("image_bytes", "BYTES", (-1,))
_PIXELS = TensorKind("image", "UINT8", (-1, -1, -1, 3))


class Cells:
    """The engine's network, by its name and version."""

    inputs = (_ENCODED, _PIXELS)
    parameters = frozenset({"patient", "row", "timeout"})

    def __init__(
        self, engine: "Engine", patients: OpenPatients, admission: Admission, metrics: Metrics
    ) -> None:
        self._engine, self._patients = engine, patients
        self._admission, self._metrics = admission, metrics
        self.name, self.version = engine.model.name, engine.model.version
        self._classes = engine.model.scheme.codes
        # Of cells that are nobody's. A client cannot know it, so none asks for its counts.
        self._nobody = secrets.token_hex(16)
        count = len(self._classes)
        self.outputs = (
            OutputKind("row", "INT64", (-1,), 8),
            OutputKind("status", "BYTES", (-1,), longest_of(get_args(Status))),
            OutputKind("reason", "BYTES", (-1,), longest_of(REASONS)),
            OutputKind("class", "BYTES", (-1,), longest_of(self._classes)),
            OutputKind("blast_probability", "FP32", (-1,), 4),
            OutputKind("probabilities", "FP32", (-1, count), 4 * count),
            OutputKind("class_names", "BYTES", (count,), size_of(self._classes)),
        )

    async def infer(
        self, parameters: Parameters, inputs: dict[str, Tensor], timeout_s: float | None
    ) -> list[Tensor]:
        """Score the images; with ``patient`` they count for it, numbered from ``row`` on."""
        patient, first_row = _patient_and_row(parameters)
        tensor = _only(inputs)
        # Before so many are taken apart.
        with self._admission.cells_of(tensor.shape[0]):
            results = await self._scored(_images(tensor), patient, first_row, timeout_s)
        return self._tensors(results)

    async def _scored(
        self,
        images: Sequence[Any],
        patient: str | None,
        first_row: int | None,
        timeout_s: float | None,
    ) -> "Sequence[CellResult]":
        if patient is not None:
            self._patients.admit(patient)
        futures = []
        for place, image in enumerate(images):
            future = self._engine.submit(
                image,
                patient=self._nobody if patient is None else patient,
                row=None if first_row is None else first_row + place,
                deadline_s=timeout_s,
            )
            # At its end and not with the answer: of a client that has gone, too.
            future.add_done_callback(self._metrics.count_cell)
            futures.append(future)
            if patient is not None:
                self._patients.opened(patient)
        # A client that vanishes cancels this, and with it each cell that no lane has taken.
        return await asyncio.gather(*map(asyncio.wrap_future, futures))

    def _tensors(self, results: "Sequence[CellResult]") -> list[Tensor]:
        probabilities = np.full((len(results), len(self._classes)), np.nan, np.float32)
        blast = np.full(len(results), np.nan, np.float32)
        for place, result in enumerate(results):
            if result.probabilities is not None:
                probabilities[place] = result.probabilities
                blast[place] = result.blast_probability
        rows = np.array([result.row for result in results], np.int64)
        return [
            of_numbers("row", "INT64", rows),
            of_strings("status", [result.status for result in results]),
            of_strings("reason", [result.reason or "" for result in results]),
            of_strings("class", [result.cell_class or "" for result in results]),
            of_numbers("blast_probability", "FP32", blast),
            of_numbers("probabilities", "FP32", probabilities),
            of_strings("class_names", self._classes),
        ]


def _patient_and_row(parameters: Parameters) -> tuple[str | None, int | None]:
    patient, row = parameters.get("patient"), parameters.get("row")
    if patient is not None and not isinstance(patient, str):
        raise invalid(f"patient is a name, {patient!r} given")
    if row is None:
        return patient, None
    if patient is None:
        raise invalid("row numbers a patient's cells: the parameter patient is missing")
    if isinstance(row, bool) or not isinstance(row, int) or not 0 <= row < 2**62:
        raise invalid(f"row is the number of the first cell, 0 or more; {row!r} given")
    return patient, row


def _only(inputs: dict[str, Tensor]) -> Tensor:
    if len(inputs) != 1:
        raise invalid(
            f"one of the inputs {_ENCODED.name} (encoded files) and {_PIXELS.name} (RGB) is "
            f"expected, {len(inputs)} given"
        )
    (tensor,) = inputs.values()
    return tensor


def _images(tensor: Tensor) -> Sequence[Any]:
    if tensor.name == _ENCODED.name and tensor.is_text:
        raise invalid(
            f"input {tensor.name}: text cannot carry the bytes of a file, base64 is not read: send "
            "them in binary behind the JSON (binary_data_size, Inference-Header-Content-Length)"
        )
    return strings_of(tensor) if tensor.name == _ENCODED.name else list(pixels_of(tensor))
