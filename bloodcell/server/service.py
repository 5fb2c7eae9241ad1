"""What both protocols ask: health, models, shared memory, and requests to models."""

import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from bloodcell import __version__
from bloodcell.errors import EngineError
from bloodcell.server.cells import Cells
from bloodcell.server.limits import Admission, Token
from bloodcell.server.messages import (
    InferRequest,
    InferResponse,
    OutputKind,
    Parameters,
    Tensor,
    TensorKind,
    Wanted,
)
from bloodcell.server.metrics import Metrics, total
from bloodcell.server.patients import OpenPatients, Patients
from bloodcell.server.placed import check_places, fetched, put
from bloodcell.server.refusals import Kind, Refusal, invalid, refusal_of
from bloodcell.server.regions import Regions
from bloodcell.server.tensors import check

if TYPE_CHECKING:
    from bloodcell.live import Engine

_PLATFORM = "bloodcell"
_EXTENSIONS = ("binary_tensor_data", "system_shared_memory", "parameters")
_FOR_ALL = frozenset({"ServerLive", "ServerReady"})
"""Calls that need no token: what watches the server may have none."""
_OF_TRITON = frozenset({"binary_data_output", "triton_enable_empty_final_response"})
"""Parameters that say how to answer."""
_MICROSECONDS = 1_000_000
_log = logging.getLogger(__name__)


class ServedModel(Protocol):
    """What can be asked by name."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def inputs(self) -> tuple[TensorKind, ...]: ...  # noqa: D102
    @property
    def outputs(self) -> tuple[OutputKind, ...]: ...  # noqa: D102
    @property
    def parameters(self) -> frozenset[str]:
        """Those that it takes; all others are refused, for a slip would be heeded by nobody."""

    async def infer(
        self, parameters: Parameters, inputs: dict[str, Tensor], timeout_s: float | None
    ) -> list[Tensor]:
        """All outputs; ``inputs``, by name, are of the kinds that it takes.

        Refusal if it has done nothing.
        """


class Service:
    """One server's state, which lives in one event loop."""

    def __init__(self, admission: Admission, token: Token, regions: Regions) -> None:
        self.admission, self.token, self.regions = admission, token, regions
        self.metrics, self.patients = Metrics(), OpenPatients()
        self.error: EngineError | None = None
        """What ended the engine."""
        self._models: dict[str, ServedModel] = {}
        self._is_stopping = False
        for name, what, value in (
            ("bloodcell_ready", "1 if requests are taken.", lambda: float(self.is_ready)),
            ("bloodcell_cells_without_result", "Cells taken.", lambda: float(admission.cells)),
            ("bloodcell_open_patients", "Not finished.", lambda: float(len(self.patients))),
        ):
            self.metrics.gauge(name, what, value)

    def open(self, engine: "Engine") -> None:
        """Take requests from now on."""
        cells = Cells(engine, self.patients, self.admission, self.metrics)
        self._models = {one.name: one for one in (cells, Patients(engine, self.patients))}

    def begin_to_stop(self) -> None:
        """Take no more requests; those that were taken are answered."""
        self._is_stopping = True

    def summary(self) -> dict[str, object]:
        """What was done so far, and which patients' counts end with the server."""
        return {
            "requests answered": total(self.metrics.requests),
            "cells": total(self.metrics.cells),
            "patients not finished": len(self.patients),
        }

    @property
    def is_ready(self) -> bool:
        """Whether requests are taken: the self-test is passed, nothing failed or ends."""
        return bool(self._models) and not self._is_stopping and self.error is None

    @contextmanager
    def watched(self, protocol: str, call: str, authorization: str | None) -> Iterator[None]:
        """Around every call: who may ask, what is counted. Every error comes out as a Refusal."""
        began_s, code = time.perf_counter(), "CANCELLED"
        try:
            if call not in _FOR_ALL:
                self.token.check(authorization)
            yield
            code = "OK"
        except Exception as error:
            refusal = refusal_of(error)
            code = refusal.kind.name
            self._note(error, refusal)
            raise refusal from error
        finally:
            self.metrics.requests.labels(protocol, call, code).inc()
            self.metrics.seconds.labels(protocol, call).observe(time.perf_counter() - began_s)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Around a request with a body, from before that is read; Refusal if it is one too many."""
        if self._is_stopping:
            raise Refusal(Kind.STOPPING, "the server ends: it takes no more requests")
        with self.admission.request():
            yield

    def model(self, name: str, version: str = "") -> ServedModel:
        """The model of that name; Refusal if there is none, or while the engine is opened."""
        if not self._models:
            raise Refusal(Kind.STOPPING, "the server is not ready: its model is being loaded")
        found = self._models.get(name)
        if found is None or version not in ("", found.version):
            raise Refusal(
                Kind.NOT_FOUND,
                f"no model {name!r} of version {version or 'any'!r} is served; "
                f"{', '.join(f'{one.name} {one.version}' for one in self._models.values())} are",
            )
        return found

    async def infer(self, request: InferRequest, left_s: float | None) -> InferResponse:
        """Have a model answer; ``left_s``: seconds until the client waits no more.

        Inside ``taken``.
        """
        model = self.model(request.model, request.version)
        await self.admission.pace()
        _check_parameters(request, model)
        inputs = self._inputs(request, model)
        wanted = _wanted(request, model)
        count = max((one.shape[0] for one in inputs.values()), default=1)
        check_places(wanted, model.outputs, self.regions, count)
        given = await model.infer(
            request.parameters, inputs, _timeout_s(request.parameters, left_s)
        )
        by_name = {one.name: one for one in given}
        outputs = [put(by_name[one.name], one, self.regions) for one in wanted]
        return InferResponse(model.name, model.version, request.identifier, outputs)

    def _inputs(self, request: InferRequest, model: ServedModel) -> dict[str, Tensor]:
        kinds = {kind.name: kind for kind in model.inputs}
        inputs, size = {}, 0
        for tensor in request.inputs:
            if tensor.name not in kinds or tensor.name in inputs:
                raise invalid(
                    f"input {tensor.name!r} is there twice, or the model {model.name} has none of "
                    f"that name; it has {', '.join(kinds)}"
                )
            check(tensor, kinds[tensor.name])
            left = self.admission.limits.request_bytes - size
            placed = fetched(tensor, self.regions, left)
            size += len(placed.content)
            inputs[tensor.name] = placed
        return inputs

    def _note(self, error: Exception, refusal: Refusal) -> None:
        """Log where it was, never what it says: that may hold a patient's name."""
        if isinstance(error, EngineError):
            self.error = self.error or error
        elif refusal.kind is Kind.FAILED:
            place = traceback.extract_tb(error.__traceback__)[-1]
            _log.error("%s at %s:%s", type(error).__name__, place.filename, place.lineno)


def metadata() -> dict[str, object]:
    """The server's name, version and extensions."""
    return {"name": "bloodcell", "version": __version__, "extensions": list(_EXTENSIONS)}


def about(model: ServedModel) -> dict[str, object]:
    """The model's name, versions, platform and kinds of tensors."""
    return {
        "name": model.name,
        "versions": [model.version],
        "platform": _PLATFORM,
        "inputs": [_told(one) for one in model.inputs],
        "outputs": [_told(one) for one in model.outputs],
    }


def _told(kind: TensorKind) -> dict[str, object]:
    return {"name": kind.name, "datatype": kind.datatype, "shape": kind.shape}


def _check_parameters(request: InferRequest, model: ServedModel) -> None:
    unknown = request.parameters.keys() - model.parameters - _OF_TRITON
    if unknown:
        raise invalid(
            f"the model {model.name} has no parameter {', '.join(map(repr, sorted(unknown)))}; "
            f"it has {', '.join(sorted(model.parameters))}"
        )


def _wanted(request: InferRequest, model: ServedModel) -> list[Wanted]:
    names = [kind.name for kind in model.outputs]
    for one in request.outputs:
        if one.name not in names:
            raise invalid(f"there is no output {one.name!r}; there are {', '.join(names)}")
        if "classification" in one.parameters:
            raise invalid(f"output {one.name}: classes by rank are not served; ask for class")
    if len({one.name for one in request.outputs}) < len(request.outputs):
        raise invalid("an output is asked for twice")
    return request.outputs or [Wanted(name, {}) for name in names]


def _timeout_s(parameters: Parameters, left_s: float | None) -> float | None:
    """Seconds for the cells: by the parameter, in microseconds as Triton's, or the call's."""
    given = parameters.get("timeout")
    if given is None:
        return left_s
    if isinstance(given, bool) or not isinstance(given, int) or not 0 < given < 2**63:
        raise invalid(
            f"timeout is a number of microseconds above 0 and below 2^63, {given!r} given"
        )
    return min(given / _MICROSECONDS, float("inf") if left_s is None else left_s)
