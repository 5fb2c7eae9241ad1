"""Runs in an object store: the same objects as files, resumed from the store alone."""

import math
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from helpers.drawn_runs import CELLS
from helpers.object_stores import BUCKET, Store
from helpers.runs_in_stores import (
    Jobs,
    files_of,
    impatient,
    noting_puts,
    objects_of,
    restore,
    results,
)

import bloodcell
from bloodcell.audit import AuditLog, read_audit
from bloodcell.caches import user_cache
from bloodcell.engine.object_store import ObjectPath
from bloodcell.errors import DiskError, InputError, RunError, Stopped
from bloodcell.files import telling, write_whole, writing_together
from bloodcell.mirror.mirrored import bring_down
from bloodcell.mirror.objects import RunObjects
from bloodcell.mirror.uploads import Uploads
from bloodcell.verification import verify


@pytest.fixture(scope="module")
def jobs(smears: Path, tmp_path_factory: pytest.TempPathFactory) -> Jobs:
    return Jobs(smears, tmp_path_factory.mktemp("jobs"))


@pytest.fixture(scope="module")
def on_disk(jobs: Jobs, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of the run that a disk has."""
    return files_of(jobs.score(tmp_path_factory.mktemp("disk") / "run").folder)


@pytest.fixture(autouse=True)
def another_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test has what another one left in the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def working_folders() -> list[Path]:
    return [path for path in (user_cache() / "runs").iterdir() if path.is_dir()]


def stop_after(cells: int) -> dict[str, object]:
    stop = threading.Event()
    return {"stop": stop, "progress": lambda done, _: stop.set() if done > cells else None}


def assert_good(url: str, tmp_path: Path, store: Store) -> None:
    """Verify a copy of the run."""
    for name, content in objects_of(store, url.removeprefix(f"s3://{BUCKET}/")).items():
        path = tmp_path / "copy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    findings = [one for one in verify(tmp_path / "copy") if not one.good]
    # It has none of the stand-in's probabilities to hold against others, but everything else.
    assert findings == []


def test_a_run_has_the_objects_that_a_folder_has_files(
    jobs: Jobs, on_disk: dict[str, bytes], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long it takes, the audit log is put where it has to be.
    monkeypatch.setattr("bloodcell.mirror.uploads._AUDIT_EVERY_S", math.inf)
    with noting_puts() as puts:
        run = jobs.score("s3://cells/whole/run")
    there = objects_of(store, "whole/run")
    assert there.keys() == on_disk.keys()
    assert results(there) == results(on_disk)
    names = [name for name, _ in puts]
    assert names[:2] == ["manifest.parquet", "run.json"]
    assert names[-1] == "run.json"
    # run.json twice, the audit log before the first part, before the patients and at the end.
    assert len(names) == len(on_disk) + 3
    assert names.index("audit.jsonl") < names.index("cells/part-00000.parquet")
    # The folder is a copy here, and goes with the run.
    assert run.patients.num_rows == 3
    assert working_folders() == [run.folder.parent]
    del run
    assert working_folders() == []


def test_a_stopped_run_continues_from_the_store_alone(
    jobs: Jobs,
    on_disk: dict[str, bytes],
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = "s3://cells/stopped"
    with pytest.raises(Stopped, match=f"32 of 72 cells are finished and kept in {url};"):
        jobs.score(url, **stop_after(40))
    assert working_folders() == []
    stopped = objects_of(store, "stopped")
    assert b'"state": "stopped"' in stopped["run.json"]
    assert [name for name in stopped if name.startswith("cells/")] == [
        "cells/part-00000.parquet",
        "cells/part-00001.parquet",
    ]
    with pytest.raises(RunError, match=f"{url} is not done"):
        bloodcell.open_run(url)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache of another machine"))
    assert jobs.score(url).about["session"]["cells"] == CELLS - 32
    assert results(objects_of(store, "stopped")) == results(on_disk)
    assert_good(url, tmp_path, store)


def test_whatever_was_put_last_the_run_continues_to_the_same_bytes(
    jobs: Jobs, on_disk: dict[str, bytes], store: Store, tmp_path: Path
) -> None:
    with noting_puts() as puts:
        jobs.score("s3://cells/every")
    for moment in (*range(1, len(puts), 6), len(puts) - 1):
        url = restore(store, "every", dict(puts[:moment]))
        jobs.score(url)
        assert results(objects_of(store, "every")) == results(on_disk), puts[moment][0]
    assert_good("s3://cells/every", tmp_path, store)


def test_parts_whose_lines_in_the_audit_log_were_lost_get_them(
    jobs: Jobs, store: Store, tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        jobs.score("s3://cells/lag", **stop_after(40))
    there = objects_of(store, "lag")
    first_line = there["audit.jsonl"].splitlines(keepends=True)[0]
    restore(store, "lag", there | {"audit.jsonl": first_line})
    jobs.score("s3://cells/lag")
    assert_good("s3://cells/lag", tmp_path, store)
    events = [entry["event"] for entry in read_audit(tmp_path / "copy" / "audit.jsonl")]
    assert events == ["begin", "resume", *5 * ["part"], "finish"]


def test_an_object_is_replaced_after_the_lines_of_the_audit_log_before_it(
    on_disk: dict[str, bytes], store: Store, tmp_path: Path
) -> None:
    names = ["run.json", "audit.jsonl", "cells/part-00000.parquet", "cells/part-00001.parquet"]
    objects = RunObjects(ObjectPath(restore(store, "again", {n: on_disk[n] for n in names[:3]})))
    there = bring_down(objects, tmp_path)
    uploads = Uploads(objects, tmp_path, there)
    audit = AuditLog(tmp_path / "audit.jsonl")
    with noting_puts() as puts, telling(tmp_path, uploads.told):
        audit.append("first")  # at once, for it is long that it was put
        audit.append("redo", again=[0])
        for name in names[:1:-1]:
            write_whole(tmp_path / name, lambda path, name=name: path.write_bytes(on_disk[name]))
        uploads.settle()
    assert [name for name, _ in puts] == ["audit.jsonl", names[3], "audit.jsonl", names[2]]
    lines = [content.splitlines()[-1] for name, content in puts if name == "audit.jsonl"]
    assert b'"event": "first"' in lines[0]
    assert b'"event": "redo"' in lines[1]


def test_what_follows_from_another_file_is_put_when_that_is_there(
    on_disk: dict[str, bytes], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.json").write_bytes(on_disk["run.json"])
    (tmp_path / "review").mkdir()
    writers = {
        tmp_path / "review" / f"{name}.parquet": lambda path: path.write_bytes(b"table")
        for name in ("patients", "cells")
    }
    uploads = Uploads(RunObjects(ObjectPath("s3://cells/turn")), tmp_path, {})
    there, put = [], RunObjects.put

    def note(self: RunObjects, name: str, path: Path) -> object:
        there.append(set(objects_of(store, "turn")))
        return put(self, name, path)

    monkeypatch.setattr(RunObjects, "put", note)
    with telling(tmp_path, uploads.told), writing_together(writers):
        pass
    assert there == [set(), {"review/patients.parquet"}]


def test_an_unsteady_store_gets_the_same_bytes(
    jobs: Jobs, on_disk: dict[str, bytes], store: Store
) -> None:
    store.proxy.unsteady(0.2)
    with pytest.raises(Stopped):
        jobs.score("s3://cells/unsteady", **stop_after(40))
    jobs.score("s3://cells/unsteady")
    assert min(store.proxy.spoiled[how] for how in ("throttled", "broken", "cut")) > 0
    assert results(objects_of(store, "unsteady")) == results(on_disk)
    assert ".holder" not in objects_of(store, "unsteady")


@pytest.mark.parametrize("requests", [9, 14, 20])
def test_a_store_that_is_lost_is_one_line_and_the_same_call_continues(
    requests: int, jobs: Jobs, on_disk: dict[str, bytes], store: Store
) -> None:
    store.proxy.down_after = requests
    with impatient(), pytest.raises(DiskError, match="cannot write to the run: s3://") as raised:
        jobs.score("s3://cells/lost")
    assert "\n" not in str(raised.value)
    assert "What is finished is kept" in str(raised.value)
    assert str(user_cache()) not in str(raised.value)
    assert working_folders() == []
    store.proxy.steady()
    jobs.score("s3://cells/lost")
    assert results(objects_of(store, "lost")) == results(on_disk)
    restore(store, "lost", {})


def test_what_is_there_and_no_run_is_refused(jobs: Jobs, store: Store) -> None:
    store.put("foreign/smears/1.jpg", b"a cell")
    with pytest.raises(RunError, match=r"s3://cells/foreign is not empty .*\(smears/, \.\.\.\)"):
        jobs.score("s3://cells/foreign")
    assert objects_of(store, "foreign").keys() == {"smears/1.jpg"}
    with pytest.raises(RunError, match="s3://cells/foreign is not a run folder"):
        bloodcell.open_run("s3://cells/foreign")


def test_a_run_inside_its_input_is_refused(jobs: Jobs, store: Store) -> None:
    store.put("nested/p1/1.jpg", b"a cell")
    for out in ("s3://cells/nested/run", "s3://cells/nested"):
        with pytest.raises(InputError, match="lie inside each other"):
            bloodcell.score("s3://cells/nested", out, jobs.model)
    assert objects_of(store, "nested").keys() == {"p1/1.jpg"}


def test_no_object_is_written_outside_the_folder(jobs: Jobs, store: Store) -> None:
    jobs.score("s3://cells/odd-names")
    store.put("odd-names/report/../../evil", b"")
    with pytest.raises(RunError, match=r"odd-names/report/\.\./\.\./evil is no file of a run"):
        bloodcell.open_run("s3://cells/odd-names")


def test_a_run_that_does_not_begin_leaves_no_object(jobs: Jobs, store: Store) -> None:
    with pytest.raises(InputError, match="does not exist"):
        bloodcell.score("nowhere", "s3://cells/none", jobs.model)
    assert objects_of(store, "none") == {}


def test_a_run_is_opened_from_its_url(
    on_disk: dict[str, bytes], store: Store, tmp_path: Path
) -> None:
    restore(store, "opened", on_disk)
    run = bloodcell.open_run("s3://cells/opened")
    assert run.cells(["row"]).num_rows == CELLS
    assert not (run.folder / "report").exists()
    (tmp_path / "part").write_bytes(on_disk["cells/part-00001.parquet"])
    rows = pq.read_table(tmp_path / "part")["row"].to_pylist()
    assert rows == list(range(16, 32))
    assert ".holder" not in objects_of(store, "opened")


def test_a_url_that_was_made_a_path_is_refused_and_file_is_a_folder(
    jobs: Jobs, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="give the URL as a string"):
        jobs.score(Path("s3://cells/path"))
    run = jobs.score(f"file://{tmp_path}/run")
    assert run.folder == tmp_path / "run"
