"""``bloodcell fetch-data`` against an unsteady server of this machine; nothing else is fetched."""

import hashlib
import json
import shutil
import subprocess
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from helpers.unsteady_server import Site, served

from bloodcell.cli import main
from bloodcell.errors import InputError
from bloodcell.fetching import download as download_module
from bloodcell.fetching import read_data_set
from bloodcell.fetching.data_sets import SHIPPED
from bloodcell.terminal import stop_requested
from bloodcell.toml import read_toml

CONTENT = np.random.default_rng(1).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "_FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(download_module, "_SILENCE_S", 20)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def site() -> Iterator[Site]:
    with served(Site(CONTENT)) as one:
        yield one


def addresses(folder: Path, site: Site, sha256: str = "") -> Path:
    """A user's list with one data set, ``drawn``."""
    path = folder / "addresses.toml"
    lines = [
        "[drawn]",
        *(f'{entry} = "{entry}"' for entry in ("title", "page", "cite", "licence", "then")),
        "[[drawn.file]]",
        'name = "set.zip"',
        "about_gb = 0.0003",
        f'address = "{site.address}"',
        *([f'sha256 = "{sha256}"'] if sha256 else []),
    ]
    path.write_text("\n".join(lines))
    return path


def fetch(folder: Path, path: Path, *options: str) -> Result:
    command = ["fetch-data", "drawn", "--to", str(folder / "data"), "--addresses", str(path)]
    return CliRunner().invoke(main, [*command, *options])


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "data").iterdir())


def test_nothing_is_fetched_unless_asked_for(site: Site, tmp_path: Path) -> None:
    told = fetch(tmp_path, addresses(tmp_path, site), "--json")
    assert told.exit_code == 0
    (file,) = json.loads(told.stdout)["files"]
    assert (file["state"], file["address"], file["sha256"]) == ("to be fetched", site.address, None)
    assert site.ranges == []
    assert not (tmp_path / "data").exists()


def test_a_file_comes_whole_and_its_digest_is_kept(site: Site, tmp_path: Path) -> None:
    done = fetch(tmp_path, addresses(tmp_path, site), "--run")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "data" / "set.zip").read_bytes() == CONTENT
    assert left(tmp_path) == ["SHA256SUMS", "set.zip"]
    checked = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path / "data", check=True, capture_output=True
    )
    assert checked.stdout == b"set.zip: OK\n"
    again = fetch(tmp_path, addresses(tmp_path, site), "--run")
    assert again.exit_code == 0
    assert site.answers == [200]


def test_cuts_are_taken_up_where_they_were(site: Site, tmp_path: Path) -> None:
    site.cuts = [100_000, 50_000, 1]
    done = fetch(tmp_path, addresses(tmp_path, site, sha256=SHA256), "--run")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "data" / "set.zip").read_bytes() == CONTENT
    assert site.ranges == ["", "bytes=100000-", "bytes=150000-", "bytes=150001-"]
    assert site.answers == [200, 206, 206, 206]


def test_a_later_call_goes_on_where_an_earlier_one_was_stopped(site: Site, tmp_path: Path) -> None:
    site.cuts = [200_000]
    path = addresses(tmp_path, site)

    def stop_at_the_second() -> None:
        if len(site.ranges) == 2:
            stop_requested.set()

    site.before_each = stop_at_the_second
    try:
        stopped = fetch(tmp_path, path, "--run")
    finally:
        stop_requested.clear()
    assert stopped.exit_code == 4
    assert "the same command goes on" in stopped.output
    have = (tmp_path / "data" / "set.zip.part").stat().st_size
    assert have >= 200_000
    told = fetch(tmp_path, path, "--json")
    assert json.loads(told.stdout)["files"][0]["state"] == "begun"
    site.before_each = lambda: None
    assert fetch(tmp_path, path, "--run").exit_code == 0
    assert (tmp_path / "data" / "set.zip").read_bytes() == CONTENT
    assert have == len(CONTENT) or site.ranges[-1] == f"bytes={have}-"
    assert left(tmp_path) == ["SHA256SUMS", "set.zip"]


def test_a_file_that_was_changed_meanwhile_is_begun_anew(site: Site, tmp_path: Path) -> None:
    other = CONTENT[::-1]

    def change() -> None:
        if len(site.ranges) == 2:
            site.content, site.etag = other, '"two"'

    site.cuts, site.before_each = [100_000], change
    assert fetch(tmp_path, addresses(tmp_path, site), "--run").exit_code == 0
    assert (tmp_path / "data" / "set.zip").read_bytes() == other
    assert site.answers == [200, 200]


@pytest.mark.parametrize("lacks", ["ranges", "etag"])
def test_without_ranges_or_version_it_is_begun_anew(site: Site, tmp_path: Path, lacks: str) -> None:
    site.takes_ranges, site.etag = lacks != "ranges", "" if lacks == "etag" else '"one"'
    site.cuts = [100_000]
    assert fetch(tmp_path, addresses(tmp_path, site, sha256=SHA256), "--run").exit_code == 0
    assert (tmp_path / "data" / "set.zip").read_bytes() == CONTENT
    assert site.answers == [200, 200]


def test_a_part_that_is_whole_already_is_not_fetched_again(site: Site, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "set.zip.part").write_bytes(CONTENT)
    (tmp_path / "data" / "set.zip.part.version").write_text(site.etag)
    assert fetch(tmp_path, addresses(tmp_path, site, sha256=SHA256), "--run").exit_code == 0
    assert site.answers == [416]


def test_another_file_than_stated_is_refused_and_set_aside(site: Site, tmp_path: Path) -> None:
    refused = fetch(tmp_path, addresses(tmp_path, site, sha256="0" * 64), "--run")
    assert refused.exit_code == 1
    assert SHA256 in refused.output
    assert "0" * 64 in refused.output
    assert left(tmp_path) == ["set.zip.refused"]


def test_another_file_than_the_first_one_is_refused(site: Site, tmp_path: Path) -> None:
    path = addresses(tmp_path, site)
    assert fetch(tmp_path, path, "--run").exit_code == 0
    (tmp_path / "data" / "set.zip").write_bytes(b"changed on the disk")
    changed = fetch(tmp_path, path, "--run")
    assert changed.exit_code == 1
    assert "Remove it and fetch it again" in changed.output
    (tmp_path / "data" / "set.zip").unlink()
    site.content = b"changed by the publisher"
    other = fetch(tmp_path, path, "--run")
    assert other.exit_code == 1
    assert "taken of the first one" in other.output
    assert left(tmp_path) == ["SHA256SUMS", "set.zip.refused"]


def test_what_is_not_there_is_refused_at_once(site: Site, tmp_path: Path) -> None:
    site.failures = [404, 404]
    refused = fetch(tmp_path, addresses(tmp_path, site), "--run")
    assert refused.exit_code == 1
    assert "404 Not Found" in refused.output
    assert "--addresses" in refused.output
    assert site.answers == [404]


def test_what_may_pass_is_tried_again(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module, "_SILENCE_S", 4)
    site.failures, site.silent = [503, 429], 1
    assert fetch(tmp_path, addresses(tmp_path, site), "--run").exit_code == 0
    assert site.answers == [503, 429, 200]


def test_five_tries_without_a_byte_are_enough(site: Site, tmp_path: Path) -> None:
    site.failures = [503] * 9
    refused = fetch(tmp_path, addresses(tmp_path, site), "--run")
    assert refused.exit_code == 1
    assert "brought nothing 5 times, at last: HTTP Error 503" in refused.output
    assert site.answers == [503] * 5


def test_a_slow_server_is_waited_for(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer in all than the silence that is borne.
    monkeypatch.setattr(download_module, "_SILENCE_S", 2)
    site.content, site.pause_s = CONTENT[:10_240], 0.25
    assert fetch(tmp_path, addresses(tmp_path, site), "--run").exit_code == 0
    assert site.answers == [200]


def test_a_server_that_says_no_length_is_taken_at_its_word(site: Site, tmp_path: Path) -> None:
    site.says_length = False
    assert fetch(tmp_path, addresses(tmp_path, site, sha256=SHA256), "--run").exit_code == 0


def test_a_server_that_is_not_there(site: Site, tmp_path: Path) -> None:
    site.address = "http://127.0.0.1:9/set.zip"
    refused = fetch(tmp_path, addresses(tmp_path, site), "--run")
    assert refused.exit_code == 1
    assert "brought nothing 5 times" in refused.output


def test_a_disk_that_is_too_small_is_told_before(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
    refused = fetch(tmp_path, addresses(tmp_path, site), "--run")
    assert refused.exit_code == 1
    assert "free some, or choose another --to" in refused.output
    assert site.ranges == []


def test_what_comes_by_hand_is_said_and_then_held(site: Site, tmp_path: Path) -> None:
    path = addresses(tmp_path, site)
    path.write_text(path.read_text().replace(f'address = "{site.address}"', 'by_hand = "By post"'))
    missing = fetch(tmp_path, path, "--run")
    assert missing.exit_code == 1
    assert "By post" in missing.output
    assert "set.zip has to be fetched by hand" in missing.output
    (tmp_path / "data" / "set.zip").write_bytes(CONTENT)
    assert fetch(tmp_path, path, "--run").exit_code == 0
    assert (tmp_path / "data" / "SHA256SUMS").read_text() == f"{SHA256}  set.zip\n"


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("drawn", "other", "has no data set 'drawn', but other"),
        ("http://", "ftp://", "neither http:// nor https://"),
        ('"set.zip"', '"../set.zip"', "no plain file name"),
        ('title = "title"\n', "", "are expected as texts"),
        ("about_gb = 0.0003", "about_gb = -1", "not a size"),
        ("about_gb", "size", "size"),
        ("address", 'sha256 = "F"\naddress', "64 hexadecimal digits"),
        ("address", "# address", "either an address or by_hand"),
        ("[[drawn.file]]", "[drawn.file]", "set 'drawn'"),
    ],
)
def test_a_list_that_is_wrong_is_refused(
    site: Site, tmp_path: Path, was: str, becomes: str, said: str
) -> None:
    path = addresses(tmp_path, site)
    path.write_text(path.read_text().replace(was, becomes))
    refused = fetch(tmp_path, path, "--run")
    assert refused.exit_code == 1
    assert said in refused.output
    assert str(path) in refused.output


def test_the_shipped_list_can_be_read() -> None:
    for name in read_toml(SHIPPED, InputError):
        assert read_data_set(name).licence.startswith("CC BY")
