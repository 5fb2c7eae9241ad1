"""Google's and Azure's stores, by emulators of both: what the other tests show of S3.

Each test is of both, and skipped for one whose emulator is not there.
"""

import csv
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers.drawn_runs import CELLS, digests
from helpers.object_stores import BUCKET
from helpers.other_stores import OtherStore, connection, served_azure, served_google
from helpers.runs_in_stores import Jobs, files_of, impatient, results
from helpers.tar_shards import pack

import bloodcell
from bloodcell.cli import main
from bloodcell.engine import object_store
from bloodcell.engine.object_listing import holds_any, level, pages
from bloodcell.engine.object_store import ObjectPath
from bloodcell.errors import DiskError, RunError, StoreError
from bloodcell.locks import HOLDER
from bloodcell.mirror.holder import held_objects
from bloodcell.mirror.objects import RunObjects

# aiohttp's, of a body of more than 1 MiB.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")

ODD_NAMES = (
    "a b.jpg", "ü.jpg", "100%.jpg", "a+b.jpg", "a#b.jpg", "a?b.jpg", "%2F.jpg", "x#", "x?",
    "x?versionid=3", "x#7", "a:b@c;d&e='f'.jpg",
)  # fmt: skip
_KILLED = """
import os, signal, sys
from pathlib import Path
from helpers.runs_in_stores import Jobs

def kill(done, _):
    if done > 40:
        os.kill(os.getpid(), signal.SIGKILL)

smears, scratch, out = sys.argv[1:]
Jobs(Path(smears), Path(scratch)).score(out, progress=kill)
"""


@pytest.fixture(scope="module", params=[served_google, served_azure], ids=["gs", "az"])
def _served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OtherStore]:
    with request.param(tmp_path_factory.mktemp("emulator")) as store:
        yield store


@pytest.fixture
def other(
    _served: OtherStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[OtherStore]:
    """The store, steady, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _served.proxy.steady()
    yield _served
    _served.proxy.steady()


@pytest.fixture(scope="module")
def jobs(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> Jobs:
    return Jobs(smears, tmp_path_factory.mktemp("jobs"))


@pytest.fixture(scope="module")
def on_disk(jobs: Jobs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return jobs.score(tmp_path_factory.mktemp("disk") / "run").folder


def scored(jobs: Jobs, source: Path | str, out: Path) -> bloodcell.Run:
    """A run over other cells than the job's own."""
    other_job = object.__new__(Jobs)
    other_job.smears, other_job.model = source, jobs.model  # type: ignore[assignment]
    return other_job.score(out)


def refusal(source: str, tmp_path: Path) -> str:
    """The one line on standard error."""
    ended = CliRunner().invoke(main, ["score", source, "--out", str(tmp_path / "run")])
    assert ended.exit_code == 1
    assert ended.stderr.count("\n") == 1, ended.stderr
    return ended.stderr


def test_a_folder_scores_to_the_same_bytes(
    jobs: Jobs, on_disk: Path, other: OtherStore, tmp_path: Path
) -> None:
    url = other.put_tree(jobs.smears, "smears")
    run = scored(jobs, url, tmp_path / "run")
    assert digests(run.folder) == digests(on_disk)
    assert run.record.job.input == url
    # A page a patient and three above them, an image for the network and for the report; no more.
    assert other.proxy.requests.total() <= 2 * CELLS + 12


def test_a_folder_in_an_unsteady_store_scores_to_the_same_bytes(
    jobs: Jobs, on_disk: Path, other: OtherStore, tmp_path: Path
) -> None:
    url = other.put_tree(jobs.smears, "smears")
    other.proxy.unsteady(0.2)
    assert digests(scored(jobs, url, tmp_path / "run").folder) == digests(on_disk)
    assert set(other.proxy.spoiled) == {"throttled", "broken", "cut", "short"}


def test_shards_score_to_the_same_bytes(jobs: Jobs, other: OtherStore, tmp_path: Path) -> None:
    paths = sorted(jobs.smears.glob("*/*"))
    members = {path.relative_to(jobs.smears).as_posix(): path.read_bytes() for path in paths}
    pack(tmp_path / "shards" / "smears.tar", members)
    there = other.put_tree(tmp_path / "shards", "shards")
    from_store = scored(jobs, there, tmp_path / "store")
    from_disk = scored(jobs, tmp_path / "shards", tmp_path / "disk")
    assert digests(from_store.folder) == digests(from_disk.folder)


def test_a_manifest_scores_to_the_same_bytes_and_odd_objects_are_one_cell_each(
    jobs: Jobs, other: OtherStore, tmp_path: Path
) -> None:
    folder = tmp_path / "set"
    first = shutil.copytree(jobs.smears / "phantom-000", folder / "a b")
    names = sorted(path.name for path in first.iterdir())[:8]
    (first / names[0]).rename(first / "ü+%#.jpg")
    (first / "empty.jpg").write_bytes(b"")
    paths = ["none.jpg", "empty.jpg", "ü+%#.jpg", *names[1:]]
    with (folder / "cells.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "patient"), *((f"a b/{one}", "p") for one in paths)])
    there = other.put_tree(folder, "set")
    from_store = scored(jobs, f"{there}/cells.csv", tmp_path / "store")
    from_disk = scored(jobs, folder / "cells.csv", tmp_path / "disk")
    assert from_store.record.counts.rejected == {"missing": 1, "empty": 1}
    assert digests(from_store.folder) == digests(from_disk.folder)


def test_a_killed_run_continues_from_the_store_alone(
    jobs: Jobs, on_disk: Path, other: OtherStore, tmp_path: Path
) -> None:
    url = other.url("killed")
    words = [sys.executable, "-c", _KILLED, str(jobs.smears), str(tmp_path), url]
    paths = os.pathsep.join([*sys.path, str(Path(__file__).resolve().parents[1])])
    ended = subprocess.run(words, env=os.environ | {"PYTHONPATH": paths}, check=False)
    assert ended.returncode == -signal.SIGKILL
    left = other.objects_of("killed")
    assert left.keys() > {HOLDER, "run.json", "manifest.parquet"}
    assert "patients.parquet" not in left
    jobs.score(url)
    there = other.objects_of("killed")
    assert results(there) == results(files_of(on_disk))
    assert HOLDER not in there
    run = bloodcell.open_run(url)
    assert digests(run.folder) == digests(on_disk)


def test_a_run_in_an_unsteady_store_has_the_same_bytes(
    jobs: Jobs, on_disk: Path, other: OtherStore
) -> None:
    other.proxy.unsteady(0.2)
    jobs.score(other.url("unsteady"))
    assert min(other.proxy.spoiled[how] for how in ("throttled", "broken", "cut")) > 0
    assert results(other.objects_of("unsteady")) == results(files_of(on_disk))


def test_a_second_writer_is_refused_and_so_is_one_in_the_same_moment(
    other: OtherStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    objects = RunObjects(ObjectPath(other.url("held")))
    told = f"is being written by another process .process {os.getpid()} on {socket.gethostname()}"
    with held_objects(objects):
        with pytest.raises(RunError, match=told), held_objects(objects):
            pass
        # It sees no holder yet; the store says by the condition that there is one.
        read, answers = RunObjects.read, [None]
        monkeypatch.setattr(
            RunObjects, "read", lambda self, name: answers.pop() if answers else read(self, name)
        )
        with pytest.raises(RunError, match=told), held_objects(objects):
            pass
    assert caplog.records == []
    assert other.objects_of("held") == {}


def test_a_missing_bucket_is_one_line(other: OtherStore, jobs: Jobs, tmp_path: Path) -> None:
    url = f"{other.scheme}://no-such/smears"
    assert refusal(url, tmp_path).startswith(f"bloodcell: {url}: the store has no bucket no-such (")
    with pytest.raises((DiskError, StoreError), match="the store has no bucket no-such"):
        jobs.score(f"{other.scheme}://no-such/run")


def test_a_prefix_without_objects_is_one_line(other: OtherStore, tmp_path: Path) -> None:
    assert "holds no cells" in refusal(other.url("none"), tmp_path)
    assert "is empty or no object" in refusal(other.url("none.csv"), tmp_path)
    # What Google's packages ask for ends as what lists a bucket does.
    with pytest.raises(FileNotFoundError, match="there is no such object"):
        ObjectPath(other.url("o")).read()


def test_a_store_that_fails_is_asked_as_often_as_we_say(other: OtherStore, tmp_path: Path) -> None:
    other.proxy.broken = 1.0
    with impatient():
        line = refusal(other.url("down"), tmp_path)
    assert line.startswith(
        f"bloodcell: {other.url('down')}: the store fails, also when asked again"
    )
    # Their packages try no request again for themselves.
    assert other.proxy.requests.total() == 2


def test_a_store_that_cannot_be_reached_is_one_line(
    other: OtherStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = "http://127.0.0.1:9"
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", nowhere)
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection(nowhere))
    monkeypatch.setattr(object_store, "_LONGEST_WAIT_S", 0.1)
    line = refusal(other.url("smears"), tmp_path)
    assert line.startswith(f"bloodcell: {other.url('smears')}: the store cannot be reached")


def test_wrong_credentials_are_one_line(
    other: OtherStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if other.scheme == "az":
        wrong = connection(other.proxy.address, key="d3Jvbmc=")
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", wrong)
        # Azurite's code is that of what is forbidden, its words are those of wrong credentials.
        assert "Server failed to authenticate the request" in refusal(other.url("x"), tmp_path)
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "")
        assert "does not accept the credentials" in refusal(other.url("x"), tmp_path)
        return
    # The emulator asks for none, so the proxy refuses in its place.
    other.proxy.refusal = 401
    assert "does not accept the credentials" in refusal(other.url("x"), tmp_path)
    other.proxy.refusal = 403
    assert "the store forbids it" in refusal(other.url("x"), tmp_path)
    assert other.proxy.requests.total() == 2
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    assert "none.json was not found" in refusal(other.url("x"), tmp_path)


def test_keys_are_taken_letter_by_letter_and_listed_page_by_page(other: OtherStore) -> None:
    root = ObjectPath(other.url("odd"))
    for name in ODD_NAMES:
        RunObjects(root).put_bytes(name, name.encode()).result()
    other.put("odd/below/1.jpg", b"1")
    other.put("odd-one/1.jpg", b"beside")
    assert other.objects_of("odd").keys() == {*ODD_NAMES, "below/1.jpg"}
    assert {name: (root / name).read() for name in ODD_NAMES} == {
        name: name.encode() for name in ODD_NAMES
    }
    assert level(root) == (["below"], sorted(ODD_NAMES))
    other.proxy.steady()
    found = [page.files for page in pages(root, deep=True, most=5)]
    assert {name: size for files in found for name, size in files.items()} == {
        name: len(content) for name, content in other.objects_of("odd").items()
    }
    assert [len(files) for files in found] == [5, 5, 3]
    assert other.proxy.requests.total() == 3
    assert holds_any(root)
    assert not holds_any(root / ODD_NAMES[0])
    assert other.proxy.requests.total() == 3 + 1 + 1


def test_what_stands_for_a_folder_in_azure_is_no_cell(other: OtherStore) -> None:
    if other.scheme != "az":
        pytest.skip("it is Azure's")
    from azure.storage.blob import BlobServiceClient

    text = os.environ["AZURE_STORAGE_CONNECTION_STRING"]
    with BlobServiceClient.from_connection_string(text) as service:
        blob = service.get_blob_client(BUCKET, "tree/anna")
        blob.upload_blob(b"", metadata={"Hdi_isfolder": "true"})
    other.put("tree/anna/1.jpg", b"1")
    root = ObjectPath(other.url("tree"))
    assert level(root) == (["anna"], [])
    assert [list(page.files) for page in pages(root, deep=True)] == [["anna/1.jpg"]]
