"""`bloodcell review serve`: what is saved is applied; without the token nothing is to be had."""

import ctypes
import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from socket import create_connection, socket

import pytest
from click.testing import CliRunner
from helpers.reviews import answers_of
from helpers.served import Served

import bloodcell
from bloodcell.cli import main
from bloodcell.review.answers import LARGEST_FILE, as_json
from bloodcell.review.folder import reviewed_patients
from bloodcell.review.server import _SLOWEST_S, ReviewServer
from bloodcell.verification import verify

FIRST = "phantom-000"


@pytest.fixture
def served(own_run: bloodcell.Run) -> Iterator[Served]:
    server = Served(own_run)
    yield server
    server.kill()


def answers(run: bloodcell.Run, reviewer: str = "A") -> bytes:
    read = answers_of(run, lambda _row: "monocyte", [FIRST])
    return as_json(replace(read, reviewer=reviewer)).encode()


def test_the_report_is_shown_and_what_is_saved_is_applied(
    own_run: bloodcell.Run, served: Served
) -> None:
    page, content = served.ask("GET", "index.html")
    assert page.status == 200
    assert content == (own_run.folder / "report" / "index.html").read_bytes()
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["Content-Type"].startswith("text/html")
    reply, said = served.ask("POST", "answers", answers(own_run), X_Token=served.token)
    assert reply.status == 200
    row = reviewed_patients(own_run)[FIRST]
    assert json.loads(said)["patients"][FIRST] == row
    assert (row["status"], row["reviewers"]) == ("final", ["A"])
    status, out, errors = served.ended()
    assert (status, json.loads(out)) == (0, {"answers applied": 1})
    assert "Traceback" not in errors
    assert all(finding.good for finding in verify(own_run.folder))


def test_a_signal_that_another_thread_gets_ends_it_too(served: Served) -> None:
    # Nothing is asked before: a request's own thread might be gone when it is signalled.
    process = served.process.pid
    others = [int(thread.name) for thread in Path(f"/proc/{process}/task").iterdir()]
    others.remove(process)
    assert ctypes.CDLL(None).tgkill(process, max(others), signal.SIGTERM) == 0
    assert served.process.wait(timeout=60) == 0


def test_a_connection_on_which_nothing_is_asked_holds_nothing_up(served: Served) -> None:
    with create_connection(("127.0.0.1", served.port)):
        assert served.ask("GET", "index.html")[0].status == 200  # taken in order: it is there
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(timeout=_SLOWEST_S / 2) == 0


def test_without_the_token_nothing_is_shown_or_applied(
    own_run: bloodcell.Run, served: Served
) -> None:
    for path in ("/", "/index.html", "/x/index.html", f"/{served.token[:-1]}x/index.html"):
        assert served.ask("GET", path)[0].status == 404
    body = answers(own_run)
    assert served.ask("POST", "answers", body)[0].status == 403
    assert served.ask("POST", "answers", body, X_Token="x")[0].status == 403
    assert served.ask("POST", "/answers", body, X_Token=served.token)[0].status == 404
    assert reviewed_patients(own_run) == {}


def test_a_page_of_another_name_is_not_answered(own_run: bloodcell.Run, served: Served) -> None:
    for host in ("evil.example", f"evil.example:{served.port}", "127.0.0.1", ""):
        assert served.ask("GET", "index.html", Host=host)[0].status == 421
    assert served.ask("GET", "index.html", Host=f"localhost:{served.port}")[0].status == 200
    foreign = {"X_Token": served.token, "Origin": "http://evil.example"}
    assert served.ask("POST", "answers", answers(own_run), **foreign)[0].status == 403
    own = {"X_Token": served.token, "Origin": f"http://127.0.0.1:{served.port}"}
    assert served.ask("POST", "answers", answers(own_run), **own)[0].status == 200


def test_nothing_outside_the_report_is_shown(own_run: bloodcell.Run, served: Served) -> None:
    (own_run.folder / "report" / "link").symlink_to(own_run.folder / "run.json")
    for path in (
        "../run.json",
        "..%2frun.json",
        "%2e%2e/run.json",
        "..%5c..%5crun.json",
        "/etc/passwd",
        f"/{served.token}//etc/passwd",
        "link",
        ".",
        "",
        "index.html%00.js",
        300 * "a",
        3000 * "a/",
        "http://[",
    ):
        assert served.ask("GET", path)[0].status in (400, 404), path
    assert "Traceback" not in served.ended()[2]


def test_a_request_that_comes_a_byte_at_a_time_comes_to_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bloodcell.review.server._SLOWEST_S", 0.2)
    with ReviewServer(tmp_path, lambda _saved: {}, 0) as server, ThreadPoolExecutor(1) as others:
        others.submit(server.serve_forever)
        try:
            address = "127.0.0.1", server.server_port
            with create_connection(address, timeout=0.05) as client:
                wait_for_the_end(client)
        finally:
            server.shutdown()


def wait_for_the_end(client: socket) -> None:
    """Send a byte of a request whenever nothing comes back."""
    for _ in range(200):
        try:
            client.sendall(b"G")
            client.recv(1)
        except TimeoutError:
            continue
        except ConnectionError:
            pass
        return
    raise AssertionError("the server goes on reading")


def test_answers_that_do_not_fit_are_refused_in_a_line(
    own_run: bloodcell.Run, served: Served
) -> None:
    for body, expected in (
        (b"{", "holds no answers of a report"),
        (answers(own_run).replace(b'"plan": "', b'"plan": "0'), "out of date"),
        (answers(own_run, reviewer=""), "no name of a reviewer"),
    ):
        reply, said = served.ask("POST", "answers", body, X_Token=served.token)
        assert (reply.status, said.count(b"\n")) == (400, 1)
        assert expected in said.decode()
    assert reviewed_patients(own_run) == {}


def test_what_is_too_long_or_without_a_length_is_not_read(served: Served) -> None:
    for length in (str(LARGEST_FILE + 1), "9" * 5000):
        headers = {"X_Token": served.token, "Content_Length": length}
        assert served.ask("POST", "answers", b"", **headers)[0].status == 413
    for length in ("-1", "1e3", "x"):
        headers = {"X_Token": served.token, "Content_Length": length}
        assert served.ask("POST", "answers", b"", **headers)[0].status == 411
    assert served.ask("DELETE", "index.html")[0].status == 501


def test_it_listens_on_this_machine_alone_and_says_so_if_the_port_is_taken(
    served: Served, own_run: bloodcell.Run
) -> None:
    with socket() as other, pytest.raises(OSError, match="refused"):
        other.connect(("127.0.0.2", served.port))
    words = ["review", "serve", str(own_run.folder), "--port", str(served.port)]
    refused = CliRunner().invoke(main, words)
    assert refused.exit_code == 1
    assert "choose another --port" in refused.stderr


def test_a_run_without_a_report_is_refused(own_run: bloodcell.Run) -> None:
    Path(own_run.folder / "report" / "index.html").unlink()
    refused = CliRunner().invoke(main, ["review", "serve", str(own_run.folder)])
    assert refused.exit_code == 1
    assert "bloodcell report" in refused.stderr
