"""One writer a run in an object store, whatever the store says of a second one."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.object_stores import BUCKET, Store
from helpers.runs_in_stores import objects_of

from bloodcell.engine.object_store import ObjectPath
from bloodcell.errors import RunError
from bloodcell.locks import HOLDER, Holder
from bloodcell.mirror.holder import held_objects
from bloodcell.mirror.objects import RunObjects

URL = f"s3://{BUCKET}/held"
_HOLDS = """
import sys, time
from bloodcell.engine.object_store import ObjectPath
from bloodcell.mirror.holder import held_objects
from bloodcell.mirror.objects import RunObjects
with held_objects(RunObjects(ObjectPath(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def objects(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RunObjects:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    store.client.delete_object(Bucket=BUCKET, Key=f"held/{HOLDER}")
    return RunObjects(ObjectPath(URL))


def test_a_second_writer_is_refused_and_told_who_holds_the_run(
    objects: RunObjects, store: Store
) -> None:
    with held_objects(objects):
        who = rf"process {os.getpid()} on {socket.gethostname()}, since 20"
        with (
            pytest.raises(RunError, match=f"{URL} is being written .*{who}"),
            held_objects(objects),
        ):
            pass
        assert Holder.read(objects_of(store, "held")[HOLDER])
    assert objects_of(store, "held") == {}
    with held_objects(objects):
        pass


def test_what_a_killed_process_of_this_host_left_is_taken_over(objects: RunObjects) -> None:
    words = [sys.executable, "-c", _HOLDS, URL]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holds:
        assert holds.stdout
        assert holds.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=f"process {holds.pid} on"), held_objects(objects):
            pass
        holds.send_signal(signal.SIGKILL)
        holds.wait()
    with held_objects(objects):
        pass


def test_what_another_host_left_is_named_with_what_to_do(objects: RunObjects, store: Store) -> None:
    with held_objects(objects):
        left = json.loads(objects_of(store, "held")[HOLDER])
    store.put(f"held/{HOLDER}", json.dumps(left | {"host": "scanner-2", "pid": 4711}).encode())
    told = rf"process 4711 on scanner-2.* is gone, delete {URL}/\.holder and run the same command"
    with pytest.raises(RunError, match=told), held_objects(objects):
        pass
    store.client.delete_object(Bucket=BUCKET, Key=f"held/{HOLDER}")
    with held_objects(objects):
        pass


def test_who_comes_a_moment_later_is_refused_by_the_store(
    objects: RunObjects, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held_objects(objects):
        first = objects_of(store, "held")[HOLDER]
    read, answers = RunObjects.read, [None]

    def too_early(self: RunObjects, name: str) -> bytes | None:
        return answers.pop() if answers else read(self, name)

    store.put(f"held/{HOLDER}", first.replace(b'"pid": ', b'"pid": 1'))
    store.put(f"held/{HOLDER}", json.dumps(json.loads(first) | {"host": "scanner-2"}).encode())
    monkeypatch.setattr(RunObjects, "read", too_early)
    # It saw no holder; the conditional put is answered by 412, which says who was first.
    with pytest.raises(RunError, match="on scanner-2"), held_objects(objects):
        pass


def test_a_put_whose_answer_was_lost_is_known_as_its_own(
    objects: RunObjects, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    create, cut = RunObjects.create, []

    def create_and_cut(self: RunObjects, name: str, content: bytes) -> None:
        create(self, name, content)
        if not cut:
            cut.append(name)
            create(self, name, content)  # as the retry does, and gets 412

    monkeypatch.setattr(RunObjects, "create", create_and_cut)
    with held_objects(objects):
        assert cut == [HOLDER]
    assert caplog.records == []


@pytest.mark.parametrize("error", [None, OSError(errno.ENOSYS, "501")])
def test_a_store_without_conditions_is_told_of(
    error: OSError | None,
    objects: RunObjects,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def replace(self: RunObjects, name: str, content: bytes) -> None:
        if error:
            raise error
        self.put_bytes(name, content).result()

    monkeypatch.setattr(RunObjects, "create", replace)
    with held_objects(objects):
        assert "the store replaces an object that was to be made only if there is none" in (
            caplog.text
        )
        with pytest.raises(RunError, match="is being written"), held_objects(objects):
            pass
    assert objects.read(HOLDER) is None
