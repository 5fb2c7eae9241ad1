"""Tensors in the protocol's binary form: little-endian values; each of BYTES after its length."""

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bloodcell.server.messages import Tensor, TensorKind
from bloodcell.server.refusals import invalid

_LENGTH = struct.Struct("<I")
_FLOAT = np.dtype("<f4")


def check(tensor: Tensor, kind: TensorKind) -> None:
    """Refusal unless datatype and shape are what the model takes; an empty tensor never is."""
    if tensor.datatype != kind.datatype:
        raise invalid(f"input {kind.name}: {kind.datatype} expected, {tensor.datatype} given")
    fits = len(tensor.shape) == len(kind.shape) and all(
        given > 0 and expected in (-1, given)
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


def of_floats(name: str, values: npt.NDArray[np.float32]) -> Tensor:
    """An FP32 tensor of the array's shape."""
    return Tensor(name, "FP32", values.shape, values.astype(_FLOAT, copy=False).tobytes())


def as_json(tensor: Tensor) -> list[Any]:
    """The values of an output row by row, as JSON has them: null where there is no number (NaN)."""
    if tensor.datatype == "BYTES":
        return [value.decode() for value in strings_of(tensor)]
    values = np.frombuffer(tensor.content, _FLOAT)
    return [None if math.isnan(value) else value for value in values.tolist()]


def from_values(datatype: str, values: Any) -> bytes:
    """The binary form of values that are written one by one, nested as the shape or not.

    BYTES are given as strings or bytes, UINT8 as numbers. Raises Refusal for all else.
    """
    if datatype == "BYTES":
        strings = [one.encode(errors="surrogatepass") if isinstance(one, str) else one
                   for one in np.array(values, dtype=object).ravel().tolist()]  # fmt: skip
        if not all(isinstance(one, bytes) for one in strings):
            raise invalid("an element of BYTES is a string")
        return b"".join(_LENGTH.pack(len(one)) + one for one in strings)
    try:
        numbers = np.asarray(values)
    except ValueError as error:
        raise invalid(f"data are values, nested as the shape or not: {error}") from error
    if datatype != "UINT8" or numbers.dtype.kind not in "iu":
        raise invalid(f"{datatype} of {numbers.dtype} given; values of UINT8 are whole numbers")
    if numbers.size and not (numbers.min() >= 0 and numbers.max() <= 255):
        raise invalid("values of UINT8 are 0 to 255")
    return numbers.astype(np.uint8).tobytes()
