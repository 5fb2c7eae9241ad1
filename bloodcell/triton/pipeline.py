"""The one DALI graph of pixels, as Triton's DALI backend loads it."""

from collections.abc import Iterator
from contextlib import contextmanager

from nvidia.dali._utils import dali_trace

from bloodcell.engine.decode import define_graph
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.errors import EngineError


def serialized_pipeline(preprocessing: Preprocessing, batch_size: int, *, on_gpu: bool) -> bytes:
    """The graph of ``define_graph``, its input and outputs named and ordered as there.

    Threads and device are Triton's to choose. Raises EngineError for a GPU where there is none:
    DALI asks the device before it lets a pipeline be saved.
    """
    with _without_origins():
        pipeline = define_graph(
            preprocessing, batch_size=batch_size, threads=1, device_id=0 if on_gpu else None
        )
    try:
        serialized: bytes = pipeline.serialize()
    except RuntimeError as error:
        raise EngineError(
            f"DALI cannot save the pipeline: {error}. For --device gpu, export on a machine that "
            "has one"
        ) from error
    return serialized


@contextmanager
def _without_origins() -> Iterator[None]:
    """Operators note where they were defined, which would give this machine's paths away.

    DALI has no public switch for it; a test looks into the file.
    """
    dali_trace.set_tracing(enabled=False)
    try:
        yield
    finally:
        dali_trace.set_tracing(enabled=True)
