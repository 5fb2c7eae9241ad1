"""Tensors in the protocol's binary form: little-endian values; each of BYTES after its length."""

import math
import struct
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from bloodcell.server.messages import Tensor, TensorKind
from bloodcell.server.refusals import Kind, Refusal, invalid

MOST_VALUES = 1024 * 1024
"""That are written one by one: they are read in the thread that answers everybody."""
_LENGTH = struct.Struct("<I")
_NUMBERS: dict[str, np.dtype[Any]] = {"FP32": np.dtype("<f4"), "INT64": np.dtype("<i8")}


def check(tensor: Tensor, kind: TensorKind) -> None:
    """Refusal unless datatype and shape are what the model takes; an empty tensor never is."""
    if tensor.datatype != kind.datatype:
        raise invalid(f"input {kind.name}: {kind.datatype} expected, {tensor.datatype} given")
    fits = len(tensor.shape) == len(kind.shape) and all(
        0 < given < 2**63 and expected in (-1, given)
        for given, expected in zip(tensor.shape, kind.shape, strict=True)
    )
    if not fits:
        raise invalid(
            f"input {kind.name}: the shape {list(kind.shape)} is expected, -1 being any number "
            f"above 0; {list(tensor.shape)} given"
        )


def strings_of(tensor: Tensor) -> list[bytes]:
    """The elements of a BYTES tensor; Refusal unless they are as many as its shape says."""
    content, count, at = tensor.content, math.prod(tensor.shape), 0
    found: list[bytes] = []
    while len(found) < count and at + _LENGTH.size <= len(content):
        begin = at + _LENGTH.size
        at = begin + _LENGTH.unpack_from(content, at)[0]
        found.append(content[begin:at])
    if len(found) < count or at != len(content):
        raise invalid(
            f"input {tensor.name}: {count} elements are expected, each after its length in 4 "
            f"bytes, and nothing else; {len(content)} bytes given"
        )
    return found


def pixels_of(tensor: Tensor) -> npt.NDArray[np.uint8]:
    """A UINT8 tensor as an array of its shape; Refusal unless it has as many bytes."""
    if len(tensor.content) != math.prod(tensor.shape):
        raise invalid(
            f"input {tensor.name}: {math.prod(tensor.shape)} bytes are expected for the shape "
            f"{list(tensor.shape)}, {len(tensor.content)} given"
        )
    return np.frombuffer(tensor.content, np.uint8).reshape(tensor.shape)


def of_strings(name: str, values: Sequence[str]) -> Tensor:
    """A BYTES tensor of one dimension."""
    encoded = [value.encode() for value in values]
    content = b"".join(_LENGTH.pack(len(value)) + value for value in encoded)
    return Tensor(name, "BYTES", (len(values),), content)


def size_of(values: Sequence[str]) -> int:
    """How many bytes they have as a BYTES tensor."""
    return sum(_LENGTH.size + len(value.encode()) for value in values)


def longest_of(values: Sequence[str]) -> int:
    """How many bytes a BYTES tensor of one of them has at most."""
    return max(size_of([value]) for value in values)


def of_numbers(name: str, datatype: str, values: npt.NDArray[np.generic]) -> Tensor:
    """A tensor of the array's shape; ``datatype``: FP32 or INT64."""
    content = values.astype(_NUMBERS[datatype], copy=False).tobytes()
    return Tensor(name, datatype, values.shape, content)


def as_json(tensor: Tensor) -> list[Any]:
    """The values of an output row by row, as JSON has them: null where there is no number (NaN)."""
    if tensor.datatype == "BYTES":
        return [value.decode() for value in strings_of(tensor)]
    values = np.frombuffer(tensor.content, _NUMBERS[tensor.datatype])
    return [None if math.isnan(value) else value for value in values.tolist()]


def from_values(datatype: str, values: Sequence[Any]) -> bytes:
    """The binary form of values that are written one by one, nested as the shape or not.

    BYTES are given as strings or bytes, UINT8 as numbers. Raises Refusal for all else.
    """
    if len(values) > MOST_VALUES:
        raise Refusal(
            Kind.TOO_LARGE,
            f"at most {MOST_VALUES} values are read one by one, {len(values)} given: send binary",
        )
    flat = _flat(list(values))
    if datatype == "BYTES":
        return _of_bytes(flat)
    if datatype != "UINT8":
        raise invalid(f"values of {datatype} are not read one by one")
    if not set(map(type, flat)) <= {int}:  # true and false would count as 1 and 0
        raise invalid("values of UINT8 are whole numbers")
    try:
        return bytes(flat)
    except ValueError as error:
        raise invalid("values of UINT8 are 0 to 255") from error


def _of_bytes(values: list[Any]) -> bytes:
    strings = [
        one.encode(errors="surrogatepass") if isinstance(one, str) else one for one in values
    ]
    if not all(isinstance(one, bytes) for one in strings):
        raise invalid("an element of BYTES is a string")
    return b"".join(_LENGTH.pack(len(one)) + one for one in strings)


def _flat(values: list[Any]) -> list[Any]:
    """Not by NumPy, which makes strings beside numbers an array as wide as the longest."""
    while values and isinstance(values[0], list):
        if not all(isinstance(one, list) for one in values):
            raise invalid("data are values, nested as the shape or not: lists stand beside values")
        values = list(chain.from_iterable(values))
    return values
