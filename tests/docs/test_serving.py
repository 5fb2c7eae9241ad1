"""The page about serving: its program and the example run as they stand; its tables are whole."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.pages import ROOT, code, page
from helpers.served_engine import ServedEngine

import bloodcell
from bloodcell.phantom import write_phantoms
from bloodcell.server.refusals import Kind


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``demo``."""
    folder = tmp_path_factory.mktemp("serving")
    write_phantoms(folder / "demo", patients=2, cells=10)
    return folder


@pytest.fixture(scope="module")
def served() -> Iterator[ServedEngine]:
    server = ServedEngine()
    yield server
    server.kill()


def ran(words: list[str], folder: Path) -> list[str]:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_pages_program_prints_what_score_writes(drawn: Path, served: ServedEngine) -> None:
    (program,) = code("serving.md", "python")
    # A server of its own, at ports that are free.
    asked = program.replace("8001", str(served.ports["grpc"]))
    printed = ran([sys.executable, "-c", asked], drawn)
    run = bloodcell.score(drawn / "demo", drawn / "run")
    expected = []
    for patient in run.patients.to_pylist():
        cells = [cell for cell in run.cells().to_pylist() if cell["patient"] == patient["patient"]]
        expected += [
            f"scored {cell['class']}" for cell in sorted(cells, key=lambda one: one["row"])
        ]
        expected.append(f"{patient['patient']} 10 {patient['blast_percent_naive']}")
    assert printed == expected


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_the_pages_request_by_curl_scores_a_cell(drawn: Path, served: ServedEngine) -> None:
    asked = code("serving.md", "sh")[1].replace("8000", str(served.ports["http"]))
    (printed,) = ran(["bash", "-c", asked], drawn)
    outputs = {one["name"]: one["data"] for one in json.loads(printed)["outputs"]}
    assert outputs["status"] == ["scored"]


def test_the_example_tells_each_patients_share(drawn: Path, served: ServedEngine) -> None:
    example = str(ROOT / "examples" / "grpc_client.py")
    (drawn / "demo").rename(drawn / "again")  # names of patients are taken once
    for folder in list((drawn / "again").iterdir()):
        if folder.is_dir():
            folder.rename(folder.with_name(f"again-{folder.name}"))
    address = f"127.0.0.1:{served.ports['grpc']}"
    printed = ran([sys.executable, example, "again", "--address", address], drawn)
    assert [line.split(",")[0] for line in printed] == [
        f"again-phantom-{number:03}: 10 of 10 cells scored" for number in (0, 1)
    ]


def test_the_page_has_every_refusal() -> None:
    text = page("serving.md")
    for kind in Kind:
        assert f"| {kind.grpc_code} | {kind.http_status} |" in text, kind
