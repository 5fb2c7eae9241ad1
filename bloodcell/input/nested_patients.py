"""Warns of patients that are folders of patients, as of several nights: INPUT is one level high."""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bloodcell.engine.object_store import Place
from bloodcell.input.listing import IMAGE_SUFFIXES

_LOG = logging.getLogger(__name__)

_IMAGE = rf"(?i)(?:{'|'.join(map(re.escape, IMAGE_SUFFIXES))})$"

_OF_ONE = (
    "all cells of %s are of one patient and lie in several folders: if those are the patients, "
    "give the folder that holds them as INPUT, or make the shard by "
    "`tar -C FOLDER -cf SHARD .`, and choose a new --out"
)
_OF_MANY = (
    "in %s the cells of %d of %d patients (%s, ...) lie in several folders below theirs: if those "
    "are the patients, as where nights hold them, each night is an INPUT and a run of its own, or "
    "list all cells in a manifest. If they are slides of one patient, nothing is amiss"
)


def warn_of_patients_of_many(source: Place, manifest: Path, patients: int) -> None:
    """Say it if the cells of most patients lie in several folders below theirs, and there alone.

    ``manifest``: of folders or shards, frozen. One patient with a folder a slide, among others
    without, is not spoken of. Where no image lies in its patient's own folder, half of the patients
    are enough: the other nights may have had one patient each.
    """
    slashes = 2 if "shard" in pq.read_schema(manifest).names else 1
    several = _of_several_folders(manifest, slashes)
    if 2 * len(several) < patients or not several:
        return
    if patients == 1:
        _LOG.warning(_OF_ONE, source)
        return
    with_images = _with_images(manifest, slashes)
    nested = sorted(several - with_images)
    if 2 * len(nested) > patients or (2 * len(nested) == patients and not with_images):
        _LOG.warning(_OF_MANY, source, len(nested), patients, nested[0])


def _of_several_folders(manifest: Path, slashes: int) -> set[str]:
    """Patients with cells in two folders or more below theirs; of each one name is kept.

    ``slashes``: in the path of a file that lies in its patient's own folder.
    """
    first: dict[str, str] = {}
    several: set[str] = set()
    pattern = f"^{'[^/]+/' * slashes}(?P<folder>[^/]+)/"
    for rows, is_below in _rows_of(manifest, slashes):
        if not pc.any(is_below).as_py():
            continue
        below = rows.filter(is_below)
        folder = pc.extract_regex(below["path"], pattern).field("folder")
        pairs = pa.table({"patient": below["patient"], "folder": folder})
        for pair in pairs.group_by(["patient", "folder"]).aggregate([]).to_pylist():
            if first.setdefault(pair["patient"], pair["folder"]) != pair["folder"]:
                several.add(pair["patient"])
    return several


def _with_images(manifest: Path, slashes: int) -> set[str]:
    """Patients with images in their own folder; a list of labels there says nothing."""
    patients: set[str] = set()
    for rows, is_below in _rows_of(manifest, slashes):
        direct = rows.filter(pc.invert(is_below))
        images = direct["patient"].filter(pc.match_substring_regex(direct["path"], _IMAGE))
        patients.update(pc.unique(images).to_pylist())
    return patients


def _rows_of(manifest: Path, slashes: int) -> Iterator[tuple[pa.RecordBatch, pa.Array]]:
    """``path`` and ``patient``, and whether each lies in a folder below its patient's."""
    with pq.ParquetFile(manifest) as file:
        for rows in file.iter_batches(columns=["path", "patient"]):
            yield rows, pc.greater(pc.count_substring(rows["path"], "/"), slashes)
