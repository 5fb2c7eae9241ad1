"""Tensors that lie in shared memory: where a request's are read, and an answer's are put."""

from dataclasses import dataclass

from bloodcell.server.messages import OutputKind, Parameters, Tensor, Wanted
from bloodcell.server.refusals import Kind, Refusal, invalid
from bloodcell.server.regions import Regions

_REGION, _BYTE_SIZE, _OFFSET = (
    "shared_memory_region", "shared_memory_byte_size", "shared_memory_offset",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Place:
    region: str
    offset: int
    byte_size: int


def fetched(tensor: Tensor, regions: Regions, most_bytes: int) -> Tensor:
    """The input with its content, also where that is in shared memory.

    Refusal if it is not there, or has more than ``most_bytes`` bytes.
    """
    place = _place_of(tensor.parameters)
    if place is None:
        return tensor
    if place.byte_size > most_bytes:
        raise Refusal(
            Kind.TOO_LARGE,
            f"input {tensor.name}: {place.byte_size} bytes given, of which the limit of a request "
            f"leaves {most_bytes}",
        )
    content = regions.read(place.region, place.offset, place.byte_size)
    return Tensor(tensor.name, tensor.datatype, tensor.shape, content)


def check_places(
    wanted: list[Wanted], kinds: tuple[OutputKind, ...], regions: Regions, count: int
) -> None:
    """Refusal unless each output finds room where it is wanted, for a request of ``count``.

    To be asked before the model acts: what is refused must not have changed anything.
    """
    by_name = {kind.name: kind for kind in kinds}
    for one in wanted:
        place = _place_of(one.parameters)
        if place is None:
            continue
        regions.check(place.region, place.offset, place.byte_size)
        most_bytes = by_name[one.name].most_bytes(count)
        if place.byte_size < most_bytes:
            raise invalid(
                f"output {one.name}: it may have {most_bytes} bytes here, {place.byte_size} are "
                "too few for it"
            )


def put(output: Tensor, wanted: Wanted, regions: Regions) -> Tensor:
    """The output as it is answered: without content once that is in shared memory."""
    place = _place_of(wanted.parameters)
    if place is None:
        return output
    try:
        regions.write(place.region, place.offset, place.byte_size, output.content)
    except (Refusal, OSError):
        # Its client has let go of the memory meanwhile, or that is full. The cells are counted
        # by now, and a finished patient's row is given once: neither may be lost for it.
        return output
    where: Parameters = {_REGION: place.region, _BYTE_SIZE: len(output.content)}
    if place.offset:
        where[_OFFSET] = place.offset
    return Tensor(output.name, output.datatype, output.shape, b"", where)


def _place_of(parameters: Parameters) -> _Place | None:
    """None if it is in no shared memory; Refusal if where is not said as it has to be."""
    if _REGION not in parameters:
        return None
    region = parameters[_REGION]
    offset, byte_size = parameters.get(_OFFSET, 0), parameters.get(_BYTE_SIZE, 0)
    if not (isinstance(region, str) and type(offset) is int and type(byte_size) is int):
        raise invalid(f"{_REGION} is a name, {_BYTE_SIZE} and {_OFFSET} are whole numbers")
    return _Place(region, offset, byte_size)
