"""What is a cell, in folders as in shards, and what lies beside cells but is none."""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from bloodcell.engine import object_listing
from bloodcell.engine.names import text_of
from bloodcell.engine.object_store import ObjectPath, Place
from bloodcell.errors import InputError

_LOG = logging.getLogger(__name__)

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")
OTHER_IMAGE_SUFFIXES = (
    ".jpe", ".jif", ".jfif", ".jfi", ".jp2", ".j2k", ".j2c", ".jpf", ".jpx", ".jpm", ".jxl",
    ".jxr", ".jls", ".wdp", ".hdp", ".webp", ".gif", ".apng", ".heic", ".heif", ".hif", ".avif",
    ".dib", ".ico", ".tga", ".pcx", ".ppm", ".pgm", ".pbm", ".pnm", ".exr", ".psd", ".xcf",
    ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".dcm", ".dicom", ".svs",
    ".ndpi", ".scn", ".mrxs", ".vms", ".vmu", ".bif", ".czi", ".zvi", ".lif", ".lsm", ".nd2",
    ".oib", ".oif", ".vsi", ".ets", ".btf", ".tf2", ".tf8", ".stk", ".ims", ".isyntax",
)  # fmt: skip
"""Of images too, if seldom of a kind that is scored: what such a file holds decides."""
ARCHIVE_SUFFIXES = (
    ".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".tzst",
    ".lz4", ".lzma", ".cab", ".iso", ".dmg",
)  # fmt: skip

TABLE_SUFFIXES = (".csv", ".parquet")

_COMPRESSED_SHARDS = (
    ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst",
)  # fmt: skip

_NO_CELLS = {
    "NAS": ["@eadir", "@tmp", "@appstore", "@database", "@sharebin", ".@__thumb", ".streams"],
    "macOS": [
        ".ds_store", "__macosx", ".spotlight-v100", ".fseventsd", ".documentrevisions-v100",
        ".temporaryitems", ".appledouble", ".appledb", ".appledesktop", ".apdisk", "icon\r",
        "icon\uf00d", "temporary items", "thevolumesettingsfolder", "thefindbycontentfolder",
    ],
    "Windows": [
        "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "picasa.ini",
        "system volume information",
    ],
    "Jupyter": [".ipynb_checkpoints"],
    "snapshot": [
        ".snapshot", ".snapshots", ".zfs", "~snapshot", "#snapshot", "@sharesnap",
        "@recently-snapshot",
    ],
    "trash": [
        ".trash", ".trashes", "#recycle", "@recycle", ".recycle", "$recycle.bin", "recycler",
        "recycled", "network trash folder", "trashbox",
    ],
    "lost+found": ["lost+found"],
}  # fmt: skip
_KINDS = {name: kind for kind, names in _NO_CELLS.items() for name in names}
_PATTERNS = (
    (re.compile(r"@gmt-|\.snap(?:shot)?-"), "snapshot"),
    (re.compile(r"\.trash-"), "trash"),
    (re.compile(r"\._|.*:afp_(?:afpinfo|resource)$", re.DOTALL), "macOS"),
    (re.compile(r".*@syno(?:eastream|resource)$", re.DOTALL), "NAS"),
    (re.compile(r"~\$|.*zone\.identifier(?::\$data)?$|found\.\d{3}$", re.DOTALL), "Windows"),
    (re.compile(r"\."), "hidden"),
)
_BY_LETTER = "|".join(re.escape(name) for name in _KINDS if name[0] not in ".~#$@")
_ODD_AMONG = re.compile(rf"\0(?:[.~#$]|found\.|{_BY_LETTER})")
"""Finds whether any of many names, put together, may be no cell: one search for a whole folder."""

_MOST_COUNTED = 100_000


def why_no_cell(name: str) -> str | None:
    """What left a file or folder of this name behind; None if it may be, or hold, cells."""
    lower = name.lower()
    if lower in _KINDS:
        return _KINDS[lower]
    return next((kind for pattern, kind in _PATTERNS if pattern.match(lower)), None)


def may_all_be_cells(names: list[str]) -> bool:
    """Whether none of ``names`` is left out, told at once; where False, some may be."""
    joined = "\0" + "\0".join(names).lower()
    has_mark = "@" in joined or ":" in joined or "zone.identifier" in joined
    return not (has_mark or _ODD_AMONG.search(joined))


def is_archive(name: str) -> bool:
    """Whether a file of this name is a shard, or would be one if it were not compressed."""
    return name.lower().endswith((".tar", *_COMPRESSED_SHARDS))


def is_folder(source: Place) -> bool:
    """Whether ``source`` is a folder, and no shard or table; of a URL its name says it."""
    if isinstance(source, Path):
        return source.is_dir()
    return not (is_archive(source.name) or source.suffix.lower() in TABLE_SUFFIXES)


def refuse_compressed(shard: Place) -> None:
    """InputError if its name says that it is no plain tar."""
    if shard.name.lower().endswith(_COMPRESSED_SHARDS):
        raise InputError(
            f"{shard} is compressed: an uncompressed .tar is expected, because cells are read in "
            "place. Unpack it once"
        )


def images_among(files: Iterable[str]) -> list[str]:
    """Those whose names end as images' do."""
    return [name for name in files if name.lower().endswith(IMAGE_SUFFIXES)]


def refuse_beside(folder: Place, folders: list[str], files: list[str]) -> None:
    """InputError if shards, patients' folders and images lie side by side in ``folder``.

    ``folders``, ``files``: the names in it that may be, or hold, cells.
    """
    images = images_among(files)
    if shards := [name for name in files if is_archive(name)]:
        if others := folders + images:
            raise InputError(
                f"{folder} holds tar shards ({shards[0]}, ...) beside folders or images "
                f"({others[0]}, ...): put the shards into a folder of their own"
            )
    elif folders and images:
        raise InputError(
            f"{folder} holds {len(images)} images beside its patients' folders ({images[0]}, "
            "...): put them into a patient's folder, or list all cells in a manifest"
        )


class LeftOut:
    """How many files were left out, and why."""

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()
        """By what left them behind, or by their suffix."""
        self._uncounted: set[str] = set()

    def note(self, why: str, files: int = 1) -> None:
        """Count ``files``."""
        if files:
            self.files[why] += files

    def note_entry(self, why: str, entry: Path) -> None:
        """Count a file, or those in a folder; one that cannot be read, or is vast, stops nothing.

        Links are not followed.
        """
        # os.path, for these never raise.
        is_folder = os.path.isdir(entry) and not os.path.islink(entry)  # noqa: PTH112, PTH114
        self.note(why, self._files_in(str(entry)) if is_folder else 1)

    def note_objects(self, why: str, folder: ObjectPath) -> None:
        """Count the objects in ``folder``; a vast one stops nothing."""
        files = 0
        for page in object_listing.pages(folder, deep=True):
            files += len(page.files)
            if files > _MOST_COUNTED:
                self._uncounted.add(str(folder))
                break
        self.note(why, files)

    def _files_in(self, folder: str) -> int:
        files, entries = 0, 0

        def note(_: OSError) -> None:
            self._uncounted.add(text_of(folder))

        for _, folders, names in os.walk(folder, onerror=note):
            files += len(names)
            entries += len(names) + len(folders)
            if entries > _MOST_COUNTED:
                self._uncounted.add(text_of(folder))
                break
        return files

    def warn(self, source: Place) -> None:
        """Say it in one line, if there is anything to say."""
        reasons = [f"{files} {why}" for why, files in self.files.most_common()]
        if self._uncounted:
            reasons.append(f"files in {len(self._uncounted)} such folders could not all be counted")
        if reasons:
            _LOG.warning(
                "%d files of %s are no cells and left out: %s",
                self.files.total(), source, "; ".join(reasons),
            )  # fmt: skip


def warn_of_what_may_hold_cells(folder: Place, names: Iterable[str]) -> None:
    """Name the archives, and the images with another suffix, that lie beside what is scored."""
    suffixes = (*ARCHIVE_SUFFIXES, *OTHER_IMAGE_SUFFIXES)
    if beside := [text_of(name) for name in names if name.lower().endswith(suffixes)]:
        shown = ", ".join(beside[:3]) + (", ..." if len(beside) > 3 else "")
        _LOG.warning(
            "%s holds %d archives or images that are not scored, beside what is (%s): if cells are "
            "in them, unpack them or put them into a patient's folder, and choose a new --out",
            folder, len(beside), shown,
        )  # fmt: skip
