"""Requests as HTTP's bodies have them: JSON, and tensors in binary behind it."""

import json
from collections.abc import Callable
from typing import Any

from bloodcell.server.messages import InferRequest, Parameters, Tensor, Wanted
from bloodcell.server.refusals import Kind, Refusal, invalid
from bloodcell.server.tensors import from_values

HEADER_LENGTH = "Inference-Header-Content-Length"
"""How much of a body is JSON; what is behind it is tensors in binary."""
MOST_JSON_BYTES = 4 * 1024 * 1024
"""Two cells of 360 px. Read in the thread that answers everybody, and nests of lists take many
times their bytes."""


def read_request(
    body: bytes, length: str | None, model: str, version: str
) -> tuple[InferRequest, Callable[[str], bool]]:
    """The request, and of each output whether it is wanted in binary. Refusal.

    ``length``: what the header ``HEADER_LENGTH`` says, None if the whole body is JSON.
    """
    read, behind = _split(body, length)
    identifier, parameters = read.get("id", ""), _parameters(read)
    if not isinstance(identifier, str):
        raise invalid("id is a string")
    inputs, at = [], 0
    for one in _list(read, "inputs"):
        tensor, at = _tensor(one, behind, at)
        inputs.append(tensor)
    if at != len(behind):
        raise invalid(f"{len(behind) - at} bytes follow the last input")
    outputs = [Wanted(_name(one), _parameters(one)) for one in _list(read, "outputs")]
    binary = {one.name: one.parameters.get("binary_data") for one in outputs}

    def is_binary(name: str) -> bool:
        wanted = binary.get(name)
        return bool(parameters.get("binary_data_output") if wanted is None else wanted)

    return InferRequest(model, version, identifier, parameters, inputs, outputs), is_binary


def read_json(content: bytes) -> dict[str, Any]:
    """An object of JSON; Refusal if it is none, or larger than is read."""
    if len(content) > MOST_JSON_BYTES:
        raise Refusal(
            Kind.TOO_LARGE,
            f"the JSON of a request has at most {MOST_JSON_BYTES} bytes, {len(content)} given: "
            f"send tensors in binary behind it (binary_data_size, and the header {HEADER_LENGTH})",
        )
    try:
        read = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise invalid("this is no JSON") from error
    return _dictionary(read, "the request")


def _split(body: bytes, length: str | None) -> tuple[dict[str, Any], memoryview]:
    """The JSON of a body, and the binary tensors behind it."""
    if length is None:
        return read_json(body), memoryview(b"")
    if not (length.isascii() and length.isdigit() and len(length) < 10):
        raise invalid(f"{HEADER_LENGTH} is the number of bytes that are JSON")
    if int(length) > len(body):
        raise invalid(f"{HEADER_LENGTH} is {length}, and the body has {len(body)} bytes")
    return read_json(body[: int(length)]), memoryview(body)[int(length) :]


def _tensor(read: dict[str, Any], behind: memoryview, at: int) -> tuple[Tensor, int]:
    """An input, and where the next one begins in ``behind``."""
    name, parameters = _name(read), _parameters(read)
    datatype, shape = read.get("datatype"), read.get("shape")
    if not isinstance(datatype, str) or not isinstance(shape, list):
        raise invalid(f"input {name!r}: datatype is a string, shape a list")
    if not all(type(size) is int for size in shape):
        raise invalid(f"input {name!r}: shape is a list of whole numbers")
    size, content, is_text = parameters.get("binary_data_size"), b"", False
    if size is not None:
        if type(size) is not int or not 0 <= size <= len(behind) - at:
            raise invalid(f"input {name!r}: binary_data_size is {size!r}, the body is shorter")
        content = bytes(behind[at : at + size])
        at += size
    elif "shared_memory_region" not in parameters:
        content, is_text = from_values(datatype, _list(read, "data")), True
    return Tensor(name, datatype, tuple(shape), content, parameters, is_text), at


def _name(read: Any) -> str:
    name = _dictionary(read, "a tensor").get("name")
    if not isinstance(name, str):
        raise invalid("a tensor has a name")
    return name


def _parameters(read: dict[str, Any]) -> Parameters:
    found = _dictionary(read.get("parameters", {}), "parameters")
    for name, value in found.items():
        if not isinstance(value, bool | int | float | str):
            raise invalid(f"the parameter {name!r} is true, false, a number or a string")
    return found


def _list(read: dict[str, Any], name: str) -> list[Any]:
    found = read.get(name, [])
    if not isinstance(found, list):
        raise invalid(f"{name} is a list")
    return found


def _dictionary(read: Any, what: str) -> dict[str, Any]:
    if not isinstance(read, dict):
        raise invalid(f"{what} is an object of JSON")
    return read
