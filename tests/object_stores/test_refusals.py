"""What a store refuses is one line, and the status that says whether the same command helps."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from helpers.command_lines import HEAVY, packages_loaded
from helpers.object_stores import Store

from bloodcell.cli import main
from bloodcell.engine import object_store


def refusal(source: str, tmp_path: Path, *options: str) -> str:
    """The one line on standard error; the exit status is checked."""
    ended = CliRunner().invoke(main, ["score", source, "--out", str(tmp_path / "run"), *options])
    assert ended.exit_code == 1
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert ended.stdout == ""
    assert not (tmp_path / "run").exists()
    return ended.stderr


def test_a_missing_bucket(store: Store, tmp_path: Path) -> None:
    line = refusal("s3://no-such/smears", tmp_path)
    assert line.startswith("bloodcell: s3://no-such/smears: the store has no bucket no-such")
    assert store.proxy.requests == {"list": 1}


def test_wrong_credentials(store: Store, tmp_path: Path) -> None:
    store.put("refusals/a/1.jpg", b"")
    with store.refusing_credentials():
        line = refusal("s3://cells/refusals", tmp_path)
    assert "s3://cells/refusals: the store does not accept the credentials" in line
    assert "InvalidAccessKeyId" in line
    assert store.proxy.requests == {"list": 1}


def test_a_store_that_cannot_be_reached(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(object_store, "_LONGEST_WAIT_S", 0.1)
    line = refusal("s3://cells/smears", tmp_path)
    assert line.startswith("bloodcell: s3://cells/smears: the store cannot be reached")
    assert not store.proxy.requests


def test_a_prefix_without_objects(store: Store, tmp_path: Path) -> None:
    assert "s3://cells/none holds no cells" in refusal("s3://cells/none", tmp_path)
    assert "none.csv is empty or no object" in refusal("s3://cells/none.csv", tmp_path)
    store.put("refusals/empty.tar", b"")
    assert "empty.tar is empty or no object" in refusal("s3://cells/refusals/empty.tar", tmp_path)


def test_an_unknown_store(tmp_path: Path) -> None:
    assert "ftp://b/x is no URL of an object store" in refusal("ftp://b/x", tmp_path)


@pytest.mark.parametrize(
    "words",
    [("report", "s4://b/run"), ("score", "cells", "--out", "s4://b/run"), ("verify", "s3://")],
)
def test_a_run_at_no_url_of_a_store(words: tuple[str, ...]) -> None:
    ended = CliRunner().invoke(main, list(words))
    assert ended.exit_code == 1
    assert ended.stderr.startswith(f"bloodcell: {words[-1]} is no URL of an object store: ")
    assert ended.stderr.count("\n") == 1


def test_a_package_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    object_store._opened.cache_clear()
    monkeypatch.delitem(sys.modules, "bloodcell.engine.google_store", raising=False)
    monkeypatch.setitem(sys.modules, "gcsfs.core", None)
    assert "pip install 'bloodcell[gs]'" in refusal("gs://cells/smears", tmp_path)


def test_a_slip_is_answered_before_anything_heavy_is_loaded() -> None:
    loaded = packages_loaded("bloodcell.cli", "score", "ftp://b/x", "--out", "run", exit_status=1)
    assert not loaded & (HEAVY | {"fsspec", "aiohttp"})
