"""How N cells are laid into batches of one fixed size."""

from collections.abc import Iterator


def chunks(count: int, batch: int) -> Iterator[tuple[int, int]]:
    """First and end row of each chunk of at most ``batch`` of ``count`` rows, in order.

    Only the last may be shorter; the runtime fills it up with zeros, so that the network always
    sees the same shape and a row's bits cannot depend on how many came with it.
    """
    for start in range(0, count, batch):
        yield start, min(start + batch, count)
