"""Writes tar shards for the tests, whole ones and odd ones."""

import io
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bloodcell.input.manifest import freeze_manifest

Members = dict[str, bytes | tarfile.TarInfo]


def pack(shard: Path, members: Members, tar_format: int = tarfile.GNU_FORMAT) -> Path:
    """Write a shard; a member is its bytes or, for a link and the like, its header."""
    shard.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(shard, "w", format=tar_format) as archive:
        for name, content in members.items():
            is_bytes = isinstance(content, bytes)
            header = tarfile.TarInfo(name) if is_bytes else content
            header.name, data = name, content if is_bytes else b""
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    return shard


def header(kind: bytes, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo()
    member.type, member.linkname = kind, target
    return member


def frozen(source: Path, tmp_path: Path) -> pa.Table:
    target = tmp_path / "frozen.parquet"
    freeze_manifest(source, target, rows_per_group=3)
    return pq.read_table(target)
