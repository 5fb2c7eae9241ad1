"""What lies at a URL is read, tried again where that helps, and refused in one line."""

import pickle
from pathlib import Path

import pytest
from helpers.object_stores import Store

import bloodcell
from bloodcell import InputError, StoreError
from bloodcell.engine import object_store
from bloodcell.engine.object_store import ObjectPath, Place, is_url, place_of


def test_a_url_is_none_of_a_file() -> None:
    assert is_url("s3://b/x")
    assert not is_url("/data/x")
    assert not is_url("file:///data/x")


def test_parts_of_a_url() -> None:
    path = ObjectPath("s3://b/x/") / "a b%.tar"
    assert (str(path), path.key, path.name) == ("s3://b/x/a b%.tar", "b/x/a b%.tar", "a b%.tar")
    assert (path.parent, path.bucket) == (ObjectPath("s3://b/x"), "b")
    assert pickle.loads(pickle.dumps(path)) == path


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(InputError, match="ftp://b/x is no URL of an object store"):
        ObjectPath("ftp://b/x")


@pytest.mark.parametrize(
    "url",
    [
        "s3://KEY:HIDDEN@b/x",
        "https://user:HIDDEN@host/x",
        "https://b.s3.amazonaws.com/x?X-Amz-Signature=HIDDEN&x=1",
        "gs://b/x?a=1&X-Goog-Signature=HIDDEN",
        "az://c/x?sv=1&sig=HIDDEN",
        "s3://b/x?AWSAccessKeyId=A&Signature=HIDDEN",
        Path("s3://KEY:HIDDEN@b/x"),
        ObjectPath("s3://KEY:HIDDEN@b/x"),
    ],
)
def test_a_url_with_credentials_is_refused_without_a_word_of_them(url: str | Place) -> None:
    with pytest.raises(InputError, match="holds credentials") as refused:
        place_of(url)
    assert "HIDDEN" not in str(refused.value)
    if not isinstance(url, Path):
        with pytest.raises(InputError, match=r"the URL \w+://\.\.\. holds"):
            bloodcell.score(url, "s3://b/run")


def test_what_only_looks_like_credentials_is_a_name() -> None:
    for url in ("abfs://c@account.dfs.core.windows.net/x", "s3://b/a:b@c", "s3://b/a?b"):
        assert str(place_of(url)) == url


@pytest.mark.parametrize("key", ["a b", "ü", "u\u0308", "100%", "a+b", "a#b", "a?b", "a\\b", "%2F"])
def test_keys_are_taken_letter_by_letter(store: Store, key: str) -> None:
    store.put(f"odd/{key}", key.encode())
    assert (ObjectPath("s3://cells/odd") / key).read() == key.encode()
    assert store.proxy.requests == {"get": 1}


def test_what_may_pass_is_tried_again(store: Store) -> None:
    store.put("one", b"0123456789")
    store.proxy.unsteady(0.3)
    for _ in range(40):
        assert ObjectPath("s3://cells/one").read() == b"0123456789"
    assert set(store.proxy.spoiled) == {"throttled", "broken", "cut", "short"}


def test_a_missing_object_is_asked_for_once(store: Store) -> None:
    with pytest.raises(FileNotFoundError, match=r"s3://cells/none: there is no such object"):
        ObjectPath("s3://cells/none").read()
    assert store.proxy.requests == {"get": 1}


def test_a_missing_bucket_is_told(store: Store) -> None:
    with pytest.raises(StoreError, match=r"^s3://no-such/x: the store has no bucket no-such"):
        ObjectPath("s3://no-such/x").read()
    assert store.proxy.requests == {"get": 1}


def test_a_store_that_is_away_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(object_store, "_LONGEST_WAIT_S", 0.1)
    with pytest.raises(OSError, match=r"s3://cells/x: the store cannot be reached"):
        ObjectPath("s3://cells/x").read()
    assert not store.proxy.requests


@pytest.mark.usefixtures("store")
def test_without_credentials_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("HOME", "/nonexistent")
    with pytest.raises(StoreError, match=r"does not accept the credentials"):
        ObjectPath("s3://cells/x").read()
