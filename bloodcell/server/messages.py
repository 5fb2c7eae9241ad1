"""A request and its answer, whichever way they are written."""

from dataclasses import dataclass, field
from typing import TypeAlias

Parameters: TypeAlias = dict[str, bool | int | float | str]
"""By name, as a client gave them."""


@dataclass(frozen=True, slots=True)
class TensorKind:
    """What a model takes or gives."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    """-1 is any number."""


@dataclass(frozen=True, slots=True)
class OutputKind(TensorKind):
    """What a model gives; known before it does is how much that may be."""

    bytes_of_one: int
    """Most bytes of a cell, or of all if there are as many to any number of cells."""

    def most_bytes(self, count: int) -> int:
        """Most bytes of the answer to ``count`` cells."""
        return self.bytes_of_one * (count if self.shape[0] == -1 else 1)


@dataclass(frozen=True, slots=True)
class Tensor:
    """Values in the protocol's binary form, row by row; of one in shared memory they are there."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    content: bytes
    parameters: Parameters = field(default_factory=dict)
    is_text: bool = False
    """Whether its values were written in JSON, which has no bytes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output that is asked for."""

    name: str
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class InferRequest:
    """One request to a model."""

    model: str
    version: str
    """Any, if empty."""
    identifier: str
    parameters: Parameters
    inputs: list[Tensor]
    outputs: list[Wanted]
    """All, if empty."""


@dataclass(frozen=True, slots=True)
class InferResponse:
    """Its answer."""

    model: str
    version: str
    identifier: str
    outputs: list[Tensor]
