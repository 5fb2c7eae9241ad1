"""Images read once more, for how they look: what a card's table ``[smears]`` is fitted to."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bloodcell.digests import digest_array
from bloodcell.engine.batches import EncodedBatch
from bloodcell.engine.decode import Decoder
from bloodcell.engine.object_store import Place
from bloodcell.engine.preprocessing import Preprocessing
from bloodcell.engine.rewriting import passed_images
from bloodcell.engine.source import batches_of, read_files
from bloodcell.errors import InputError

_BATCH = 64


def samples_in(
    root: Place, images: pa.Table, preprocessing: Preprocessing, threads: int
) -> Iterator[npt.NDArray[np.uint8]]:
    """The pixels that ``staining`` looks at, of the images below ``root``, in batches, in order.

    ``images``: as ``read_files`` takes them; with a column ``digest`` they must be what was scored.
    Raises InputError naming the first that is not, or that scoring would reject, and what
    ``read_files`` raises.
    """
    tables = list(batches_of(images, _BATCH))
    decoder = Decoder(preprocessing, batch_size=_BATCH, threads=threads)
    for table, batch in zip(tables, read_files(root, tables), strict=True):
        if "digest" in table.column_names:
            differs = batch.digests != digest_array(table["digest"])
            _refuse(differs.any(axis=1), table, root, "no longer there as it was scored")
        yield _samples_of(batch, table, root, decoder)


def _samples_of(
    batch: EncodedBatch, table: pa.Table, root: Place, decoder: Decoder
) -> npt.NDArray[np.uint8]:
    images = passed_images(batch)
    _, samples, why_not = decoder.decode_passed(images.encoded, images.is_deep)
    is_rejected = images.reasons != 0
    is_rejected[images.places[why_not != 0]] = True
    _refuse(is_rejected, table, root, "an image that scoring would reject")
    return samples


def _refuse(faulty: npt.NDArray[np.bool_], table: pa.Table, root: Place, what: str) -> None:
    if faulty.any():
        raise InputError(f"{table['path'][int(faulty.argmax())]} below {root} is {what}")
